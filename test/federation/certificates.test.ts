import { test } from 'node:test'

// For minutes, so with `npm run test:long` alone; a slice of it is in packages/entente/cli/commands/federation.test.ts.
if (process.env['ENTENTE_TEST_LONG'] !== undefined)
  test('all real certificates: each once, as the data has it, also after kill -9', async t =>
    (await import('./all-certificates.ts')).allCertificates(t))
