/* SPDX-License-Identifier: MIT */
/*
 * Stepping to a place, see <sdb/step.h>.
 */
#ifndef SDB_LIB_STEP_STEP_H
#define SDB_LIB_STEP_STEP_H

#include <sdb/step.h>

#include "session/feature.h"

#define SDB__STEP_SLOT 4

extern const struct sdb__feature sdb__step_feature;

#endif
