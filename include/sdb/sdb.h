/* SPDX-License-Identifier: MIT */
/** All of libsdb. */
#ifndef SDB_SDB_H
#define SDB_SDB_H

#include <sdb/breakpoint.h>
#include <sdb/capture.h>
#include <sdb/child.h>
#include <sdb/error.h>
#include <sdb/event.h>
#include <sdb/export.h>
#include <sdb/facts.h>
#include <sdb/inject.h>
#include <sdb/launch.h>
#include <sdb/memory.h>
#include <sdb/pipe.h>
#include <sdb/process.h>
#include <sdb/registers.h>
#include <sdb/session.h>
#include <sdb/step.h>
#include <sdb/syscall.h>
#include <sdb/thread.h>
#include <sdb/trace.h>
#include <sdb/version.h>
#include <sdb/watchpoint.h>

#endif
