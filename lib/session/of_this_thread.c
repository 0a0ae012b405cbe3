/* SPDX-License-Identifier: MIT */
/*
 * Whose session the calling thread has.
 */
#include "session/session.h"

_Thread_local struct sdb_session *sdb__session_of_this_thread;
