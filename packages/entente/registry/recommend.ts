import type { Id, Seconds } from '@entente/rules'
import type { Answer, CertificateAnswer } from './check.ts'

/** What whoever runs a version might do, the most urgent first. Each says what it rests on; none is a statement of anybody else's. */
export type Recommendation =
  /** Nothing is known of it: is it the right name, and whose is it? */
  | { do: 'identify' }
  /** To the patch that fixes the most of what is open. The certificate is of exactly one version: does the patch have one? */
  | { do: 'update'; to: Id; fixes: Id[]; isCertified: boolean }
  /** What is open has no patch: the manufacturer's guidance and contact. */
  | { do: 'mitigate'; open: Id[] }
  /** Nobody makes patches any more (CSA Article 55(1)(c)). */
  | { do: 'replace'; since: Seconds }
  /** Its certificate may end or change. */
  | { do: 'watch'; certificate: Id; why: 'suspended' | 'underReview' | 'component' }

export function recommend({ home, at, affected, patched, certified, support }: Answer): Recommendation[] {
  if (home === undefined) return [{ do: 'identify' }]
  const found: Recommendation[] = []
  const open = new Set(affected.open)
  const best = patched.patches
    .map(patch => ({ ...patch, fixes: patch.fixes.filter(one => open.has(one)) }))
    .filter(({ fixes }) => fixes.length > 0)
    .toSorted((a, b) => b.fixes.length - a.fixes.length || b.at - a.at)[0]
  if (best) found.push({ do: 'update', to: best.version, fixes: best.fixes, isCertified: best.isCertified })
  const left = [...open].filter(one => !patched.patches.some(({ fixes }) => fixes.includes(one)))
  if (left.length > 0) found.push({ do: 'mitigate', open: left })
  if (support && support.until <= at) found.push({ do: 'replace', since: support.until })
  for (const certificate of certified.certificates) {
    const why = whyWatch(certificate)
    if (why) found.push({ do: 'watch', certificate: certificate.id, why })
  }
  return found
}

function whyWatch({ state, isUnderReview, notified }: CertificateAnswer) {
  if (state === 'suspended') return 'suspended'
  if (state !== 'inForce') return undefined
  return isUnderReview ? 'underReview' : notified.length > 0 ? 'component' : undefined
}
