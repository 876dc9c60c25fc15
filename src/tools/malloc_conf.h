// tools/malloc_conf.h: what our programs ask of jemalloc. Included by each main, and by nothing else.
//
// Read by jemalloc before main. $MALLOC_CONF overrides it.
//   background_thread  empty pages go back to the system without the loop's help, which would
//                      otherwise stop for it in the middle of a free
//   dirty_decay_ms     within two seconds rather than ten, for memory-limit is about what the
//                      system sees; muzzy pages would still count there, so there are none
//   narenas            the loop and the workers that build tables: more would only spread the same
//                      memory over more holes
//   metadata_thp       off: huge pages for bookkeeping cost a small server more than they save
#pragma once

#ifdef VARVE_JEMALLOC
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:0,narenas:4";
#endif
