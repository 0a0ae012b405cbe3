/* SPDX-License-Identifier: MIT */
/** What every public header needs: visibility, and C linkage for C++. */
#ifndef SDB_EXPORT_H
#define SDB_EXPORT_H

#if defined(__GNUC__)
#define SDB_API __attribute__((visibility("default")))
#else
#define SDB_API
#endif

#ifdef __cplusplus
#define SDB_BEGIN_DECLS extern "C" {
#define SDB_END_DECLS   }
#else
#define SDB_BEGIN_DECLS
#define SDB_END_DECLS
#endif

#endif
