import { test } from 'node:test'

const skip =
  process.env['ENTENTE_TEST_LONG'] === undefined &&
  'it takes minutes: npm run test:long; a slice of it is in packages/entente/cli/commands/federation.test.ts'

test('all real certificates: each once, as the data has it, also after kill -9', { skip }, async t =>
  (await import('./all-certificates.ts')).allCertificates(t),
)
