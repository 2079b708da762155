import { channelConformance } from '../conformance.ts'
import { openLoopback } from './test/loopback.ts'

channelConformance('embedded', openLoopback)
