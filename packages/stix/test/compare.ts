/**
 * Compare our verdicts with those of PyPI's stix2-validator and write `verdicts.md` beside this file.
 *
 *     python3 -m venv .cache/stix2-validator/venv
 *     .cache/stix2-validator/venv/bin/pip install -r packages/stix/test/verdicts-requirements.txt
 *     node packages/stix/test/compare.ts [PYTHON]
 *
 * Takes three minutes at the lowest priority, the second time seconds. Ends with 1, and writes nothing, where a disagreement has no reason below.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import type { Rule } from '../rules.ts'
import { validateObject, type ValidationResult } from '../validate.ts'
import { mutations } from './mutations.ts'

interface Verdict {
  /** `null`: it failed with an exception of its own. */
  readonly valid: boolean | null
  readonly errors: readonly string[]
}

/** One letter for each object: what both say. */
const CODES = {
  v: 'both accept',
  x: 'both refuse',
  s: 'we refuse, it accepts',
  l: 'we accept, it refuses',
  X: 'we refuse, it fails',
  V: 'we accept, it fails',
} as const
type Code = keyof typeof CODES

/** Why we refuse what it accepts: by our rule. */
const STRICTER: Partial<Record<Rule, string>> = {
  ref_target:
    'It checks the type of a reference in the observable container only; sections 4 to 7 say for each which types it may be to.',
  identifier:
    'Its schemas of cyber-observables take any string for a reference; section 2.9 has one form of identifier.',
  spec_version:
    'It takes an object without `spec_version`, or with another, for one of the version that it was started with; section 3.2 demands `2.1`.',
  defanged: 'Section 3.2: `defanged` MUST NOT be on other objects than cyber-observables.',
  property_name: 'Section 3.1: a property name begins with a letter.',
  required:
    'Its schemas lack the property, or take a `new-sdo` without times for a cyber-observable; the table of the section says required.',
  range: 'Section 6.12.1 says "as a positive integer" of counts of bytes and packets; its schema has no bound.',
  kind: 'Its schema does not look at the values of this dictionary, or at the bounds of an integer (2.3, 2.10).',
  empty_dictionary: 'Section 2.3: an empty dictionary is prohibited, inside another one too.',
  selector: 'It indexes a string as if it were a list, or reads `[00]` as 0; section 7.2.3.1.',
  relationship_type: 'Section 3.1: terms have three characters or more.',
  format: 'Section 6.15.1: a URL has something after its scheme (RFC 3986 section 1.1.3).',
  extension_target: 'Each predefined extension is for one type (section 6).',
  timestamp_order:
    'It compares timestamps as texts, so that digits after the point mislead it; we compare instants (3.6.1).',
  pattern:
    'The OASIS grammar is wider than section 9: plus signs, hex in upper case, empty sets, negative indexes, days that no calendar has, REPEATS 0, integers beyond 2^53, a second qualifier of one type on a group.',
  pattern_operands:
    'Section 9.5: all operands of AND must be satisfiable with the same object, so with one object type.',
  pattern_constant:
    'Section 9.6.1: the constants of a set are of one type, and ISSUBSET and ISSUPERSET compare with an address.',
  pattern_name: 'Section 9.7: an object type is a type name.',
  observed_data: 'Section 4.14.1: `object_refs` MUST contain at least one cyber-observable.',
  registry_hive: 'Section 6.17.1: the hive MUST be fully expanded; it checks that as advice.',
  extension_type: 'Section 7.3: an extension definition MUST have its `extension_type`.',
  tlp: 'Section 7.2.1.4: only the published TLP markings may be used.',
  marking: 'Section 7.2.1: the definition has the form of its type.',
  dictionary_key: 'Section 2.3: keys are of a-z, A-Z, 0-9, - and _.',
  empty_list: 'Section 2.12: an empty list is prohibited.',
  id_type: 'Section 2.9: an id begins with the type of its object.',
  hash_value: 'Section 2.7: the value has the format of its algorithm.',
  needs: 'A rule between properties that its schema lacks.',
  exactly_one: 'A rule between properties that its schema lacks.',
  forbidden: 'A rule between properties that its schema lacks.',
  timestamp_precision:
    'Section 3.2: `created` and `modified` have milliseconds; its schema of marking definitions does not look.',
  extension_name: 'Section 11.3.1: names of custom extensions are of a-z, 0-9 and -.',
  external_id: 'Sections 4.1.1 and 4.19.1.',
}

/** Why we accept what it refuses: by its message. */
const LOOSER: readonly [RegExp, string][] = [
  [
    /does not match the id format/,
    'Its schema knows the UUID versions 1 to 5 and no type with a hyphen at its end; RFC 9562 has versions up to 8, and section 3.1 does not forbid the hyphen.',
  ],
  [/second must be in 0\.\.59/, 'RFC 3339 has second 60 where leap seconds can be (2.16.1); its date parser has none.'],
  [/must be later than/, 'It compares timestamps as texts: `…00.0009Z` is for it earlier than `…00.000Z`.'],
  [
    /'marking_ref' is a required property/,
    'Its schema lacks granular markings of a language (7.2.3.1: `lang` or `marking_ref`).',
  ],
  [
    /additional_header_fields/,
    'Section 6.6.1: a value is always a list of strings; its schema wants a string, or two of them.',
  ],
  [
    /languages\[0\].*does not match|languages.*does not match '\^\[a-z\]/,
    'Its schema still has the three-letter codes of STIX 2.0; section 6.14.1 says RFC 5646.',
  ],
  [/invalid ISO 639-2 language/, 'Its list of languages is that of STIX 2.0; section 6.14.1 says RFC 5646.'],
  [
    /must contain valid 'mime-part-type'/,
    'Section 6.6.2: "One of body OR body_raw_ref MUST be included" is for it one and not both; for us one at least.',
  ],
  [
    /RFC 5646/,
    'It knows a list of languages; any well-formed tag of RFC 5646 conforms, and what is registered changes.',
  ],
  [
    /is not a 'idn-hostname'/,
    'We let underscores through, as in the names of services (RFC 8552), which are observed.',
  ],
  [
    /is not a 'email'/,
    'Its pattern is narrower than the addr-spec of RFC 5322 (section 6.5.1) and of RFC 6532, which lets characters beyond ASCII in.',
  ],
  [
    /value: '::ffff:1\.2\.3\.4' does not match/,
    'Its pattern for IPv6 lost the backslashes of `\\d`, and with them addresses with an IPv4 tail.',
  ],
  [/mime_type/, 'Section 6.1.1 says SHOULD: a warning here (`recommended_format`).'],
  [/must be an IANA registered character set/, 'Names of character sets do not differ in case.'],
  [/hashes\.TLSH|TLSH.*does not match/, 'TLSH has several lengths, and `T1` in front of newer values.'],
  [
    /extensions: .* does not match any of the regexes/,
    "The name of a custom extension must end in `-ext` (11.3.1), but the section's own example does not: a warning here.",
  ],
  [
    /external_references\[\d\]\.url: .* is not a 'uri'/,
    'Section 2.5.1 has no MUST for the URL of a reference: a warning here (`recommended_format`).',
  ],
  [
    /If the external reference is a CVE/,
    'A reference to `cve` without an id, or with an id of theirs in an object of another type, breaks no MUST (4.1.1, 4.19.1).',
  ],
  [
    /external_references\[\d\]\.hashes/,
    'An open vocabulary is open (2.14), and section 2.7 says SHOULD: a warning here (`hash_algorithm`).',
  ],
  [/is not a valid \S+ hash/, 'It takes the argument of LIKE for a hash.'],
  [/start with 'x_'|should start with/, 'A prefix is a SHOULD.'],
]

/** Its failures, by the exception. */
const FAILS = 'It ends in an exception of its own (`KeyError`, `TypeError`, `AttributeError`, …) in place of a verdict.'

setPriority(19)
const root = join(import.meta.dirname, '../../..')
const python = process.argv[2] ?? join(root, '.cache/stix2-validator/venv/bin/python')

function verdictsOf(objects: readonly object[]): Verdict[] {
  const input = `${objects.map(object => JSON.stringify(object)).join('\n')}\n`
  const script = join(import.meta.dirname, 'verdicts.py')
  // Its verdicts on the same objects do not change: they are kept beside it.
  const kept = join(root, '.cache/stix2-validator', `${createHash('sha256').update(input).digest('hex')}.jsonl`)
  const lines = existsSync(kept) ? readFileSync(kept, 'utf8') : run(script, input)
  if (!existsSync(kept)) writeFileSync(kept, lines)
  const verdicts = lines
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Verdict)
  if (verdicts.length !== objects.length) throw new Error(`${objects.length} objects, ${verdicts.length} verdicts`)
  // Its own word for an object without `id` or `type` is an exception too.
  return verdicts.map(each =>
    each.errors[0]?.startsWith('ValidationError: ') === true ? { ...each, valid: false } : each,
  )
}

function run(script: string, input: string): string {
  const { stdout, status, error } = spawnSync(python, [script], { input, encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (error !== undefined || status !== 0)
    throw new Error(`${python} did not run: install it as this file says`, { cause: error })
  return stdout
}

const codeOf = (ours: ValidationResult, theirs: Verdict): Code => {
  if (theirs.valid === null) return ours.valid ? 'V' : 'X'
  if (ours.valid) return theirs.valid ? 'v' : 'l'
  return theirs.valid ? 's' : 'x'
}

const reasons = new Map<string, { code: Code; count: number; example: string }>()
const unexplained: string[] = []

function explain(code: Code, ours: ValidationResult, theirs: Verdict, kind: string): void {
  if (code === 'v' || code === 'x') return
  let reason: string | undefined
  if (code === 's') {
    const rule = ours.findings.find(finding => finding.severity === 'error')?.rule
    reason = rule === undefined ? undefined : `\`${rule}\`: ${STRICTER[rule] ?? ''}`
    if (rule === undefined || STRICTER[rule] === undefined) reason = undefined
  } else if (code === 'l') {
    // Each of its errors needs a reason; the first one counts.
    const found = theirs.errors.map(error => LOOSER.find(([pattern]) => pattern.test(error))?.[1])
    reason = found.includes(undefined) ? undefined : found[0]
  } else reason = FAILS
  if (reason === undefined) {
    unexplained.push(`${code} ${kind}: ${JSON.stringify(ours.findings.slice(0, 2))} ${JSON.stringify(theirs.errors)}`)
    return
  }
  const key = `${code} ${reason}`
  const known = reasons.get(key)
  if (known === undefined) reasons.set(key, { code, count: 1, example: kind })
  else known.count++
}

const all = mutations()
const theirs = verdictsOf(all.map(mutation => mutation.object))
const byKind = new Map<string, string>()
for (const [at, { kind, object }] of all.entries()) {
  const ours = validateObject(object)
  const verdict = theirs[at] as Verdict
  const code = codeOf(ours, verdict)
  explain(code, ours, verdict, kind)
  byKind.set(kind, (byKind.get(kind) ?? '') + code)
}

const byFile = new Map<string, string>()
for (const folder of ['stix-examples', 'attack']) {
  const path = join(root, '../shared/data', folder)
  if (!existsSync(path)) throw new Error(`no data: ${folder}/ is not beside the project`)
  for (const name of readdirSync(path)
    .filter(file => file.endsWith('.json'))
    .sort()) {
    const content = JSON.parse(readFileSync(join(path, name), 'utf8')) as { type: string; objects?: object[] }
    const objects = content.type === 'bundle' ? (content.objects ?? []) : [content]
    const verdicts = verdictsOf(objects)
    let codes = ''
    for (const [at, object] of objects.entries()) {
      const ours = validateObject(object)
      const code = codeOf(ours, verdicts[at] as Verdict)
      explain(code, ours, verdicts[at] as Verdict, `${folder}/${name}`)
      codes += code
    }
    byFile.set(`${folder}/${name}`, codes)
  }
}

if (unexplained.length > 0) {
  for (const line of unexplained.slice(0, 40)) console.error(line)
  console.error(`${unexplained.length} disagreements without a reason: add one to compare.ts, or change the rule`)
  process.exit(1)
}

const count = (codes: string, code: Code): number => codes.split(code).length - 1
const columns = Object.keys(CODES) as Code[]
const row = (name: string, codes: string): string =>
  `| ${name} | ${codes.length} | ${columns.map(code => count(codes, code) || '').join(' | ')} |`
const table = (what: string, rows: ReadonlyMap<string, string>): string[] => [
  `| ${what} | objects | ${columns.map(code => CODES[code]).join(' | ')} |`,
  `| --- | --: | ${columns.map(() => '--:').join(' | ')} |`,
  ...[...rows].map(([name, codes]) => row(name, codes)),
  row('all', [...rows.values()].join('')),
]
/** `v12 x3`: runs of letters. */
const runs = (codes: string): string => {
  let text = ''
  for (let at = 0; at < codes.length; ) {
    let end = at
    while (codes[end] === codes[at]) end++
    text += `${codes[at] ?? ''}${end - at > 1 ? end - at : ''}`
    at = end
  }
  return text
}

const lines = [
  '# Verdicts beside those of stix2-validator',
  '',
  'Made by `compare.ts`; do not edit. stix2-validator 3.2.0 of PyPI with its default options (specification 2.1) says of each object',
  'whether it has errors; we say so under the policy `standard`. (3.3.1, the newest, was published without its schemas and refuses',
  'every object.) `mutations.ts` makes the objects from the samples of our table, seeded. `verdicts.test.ts` holds our verdicts',
  'against this file.',
  '',
  '## Mutations',
  ...table('what was changed', byKind),
  '',
  '## Files',
  ...table('file', byFile),
  '',
  '## Every disagreement',
  '| | objects | why | for example |',
  '| --- | --: | --- | --- |',
  ...[...reasons]
    .sort(([, a], [, b]) => a.code.localeCompare(b.code) || b.count - a.count)
    .map(
      ([key, { code, count: n, example }]) =>
        `| ${CODES[code]} | ${n} | ${key.slice(2).replaceAll('|', '\\|')} | ${example} |`,
    ),
  '',
  '## Each verdict',
  `In order, with the lengths of runs: ${columns.map(code => `\`${code}\` ${CODES[code]}`).join(', ')}.`,
  '```',
  ...[...byKind].map(([kind, codes]) => `${kind} | ${runs(codes)}`),
  '```',
]
writeFileSync(join(import.meta.dirname, 'verdicts.md'), `${lines.join('\n')}\n`)
console.log(
  `${all.length} mutations, ${[...byFile.values()].join('').length} objects of files, ${reasons.size} reasons: verdicts.md`,
)
