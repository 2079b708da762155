// What the thread of the chain begins with. A thread does not share its process's compile cache: without one of its own it compiles everything anew, half a second.
import { enableCompileCache } from 'node:module'

enableCompileCache()
await import('./chain-thread.ts')
