import calculator from 'ae-cvss-calculator'
import { ProductError } from './error.ts'

export type Cvss = {
  version: '2.0' | '3.0' | '3.1' | '4.0'
  /** As it was given. */
  vector: string
  score: number
  /** Qualitative severity (CVSS 3.1 section 5, 4.0 section 6); of version 2 as the NVD has it. */
  rating: 'none' | 'low' | 'medium' | 'high' | 'critical'
}

const MAX_LENGTH = 512
const PREFIXES = { 'CVSS:3.0/': '3.0', 'CVSS:3.1/': '3.1', 'CVSS:4.0/': '4.0' } as const
/** Metrics that a vector must have; the calculator takes a missing one for one that does no harm. */
const BASE: Readonly<Record<Cvss['version'], string>> = {
  '2.0': 'AV AC Au C I A',
  '3.0': 'AV AC PR UI S C I A',
  '3.1': 'AV AC PR UI S C I A',
  '4.0': 'AV AC AT PR UI VC VI VA SC SI SA',
}

/**
 * The score of a CVSS vector of version 2.0, 3.0, 3.1 or 4.0, over all metrics that it has.
 *
 * @throws ProductError `syntax` where a metric is unknown, twice there, or a base metric is missing
 */
export function scoreCvss(vector: string): Cvss {
  if (vector.length > MAX_LENGTH) throw notThat(vector)
  const prefix = Object.keys(PREFIXES).find(each => vector.startsWith(each)) as keyof typeof PREFIXES | undefined
  const version = prefix === undefined ? '2.0' : PREFIXES[prefix]
  const parts = vector.slice(prefix?.length ?? 0).split('/')
  const names = parts.map(part => part.split(':')[0])
  const isWhole = BASE[version].split(' ').every(name => names.includes(name))
  if (!isWhole || new Set(names).size !== parts.length) throw notThat(vector)
  try {
    const read = calculator.fromVector(vector)
    // The calculator leaves out what it doesn't know.
    const understood = new Set(read?.toString().split('/'))
    const score = read?.calculateScores().overall
    if (score === undefined || !Number.isFinite(score) || !parts.every(part => understood.has(part)))
      throw notThat(vector)
    return { version, vector, score, rating: ratingOf(version, score) }
  } catch (cause) {
    if (cause instanceof ProductError) throw cause
    throw new ProductError('syntax', notThat(vector).message, { cause })
  }
}

/** The vector without what is of a time or a place: of it alone is a base score. */
export function baseVector({ vector, version }: Cvss): string {
  const names = BASE[version].split(' ')
  const parts = vector.split('/').filter(part => part.startsWith('CVSS:') || names.includes(part.split(':')[0] ?? ''))
  return parts.join('/')
}

function ratingOf(version: Cvss['version'], score: number): Cvss['rating'] {
  if (version === '2.0') return score >= 7 ? 'high' : score >= 4 ? 'medium' : 'low'
  return score >= 9 ? 'critical' : score >= 7 ? 'high' : score >= 4 ? 'medium' : score > 0 ? 'low' : 'none'
}

const notThat = (vector: string): ProductError =>
  new ProductError(
    'syntax',
    `${JSON.stringify(vector.slice(0, 200))} is no whole CVSS vector of version 2.0, 3.0, 3.1 or 4.0`,
  )
