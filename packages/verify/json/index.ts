export { canonicalize, canonicalizeCounting, DEFAULT_MAX_DEPTH, type KeyCounter } from './canonicalize.ts'
export { JsonError, type JsonErrorCode } from './error.ts'
export { DEFAULT_LIMITS, type ParsedObjects, parseObjects, parseStrict } from './parse.ts'
export { type JsonLimits, type JsonScan, scanJson } from './scan.ts'
