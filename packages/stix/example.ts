/** What the package is for, in one file: `node packages/stix/example.ts`. */
import { objectVersion, sameMeaning, statementChannels, validateObject } from './index.ts'

const indicator = {
  type: 'indicator',
  spec_version: '2.1',
  id: 'indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f',
  created: '2024-02-29T09:00:00.000Z',
  modified: '2024-02-29T09:00:00.000Z',
  pattern: "[url:value = 'http://example.org/']",
  pattern_type: 'stix',
  valid_from: '2024-02-29T09:00:00Z',
}

export const good = validateObject(indicator)
console.log(indicator.id, objectVersion(indicator), good.valid ? 'is valid' : 'is not valid')

export const bad = validateObject({ ...indicator, confidence: 101, valid_from: '2024-02-30T09:00:00Z', x_score: 3 })
for (const { severity, path, rule, section, message } of bad.findings) {
  console.log(`${severity} ${path} (${rule}, section ${section}): ${message}`)
}

export const duplicate = sameMeaning(indicator, { ...indicator, modified: '2024-02-29T09:00:00Z', revoked: false })
console.log('the same, written differently:', duplicate)

export const channels = statementChannels({
  type: 'marking-definition',
  definition_type: 'statement',
  definition: { statement: 'pubsub:EVENTS' },
})
console.log('goes to', channels.join(', '))
