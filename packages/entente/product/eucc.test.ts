import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readCertificate } from './documents.ts'
import { ProductError } from './error.ts'
import { ENISA_FIELDS, readEnisa, readEuccDataset, toEnisa, toSecCerts } from './eucc.ts'

const DATA = join(import.meta.dirname, '..', '..', '..', '..', 'shared', 'data', 'sec-certs')
const AT = '2026-11-22T00:00:00.000Z'
const NOT_HERE = 'the EUCC certificates are not here'

test("the certificate with ENISA's fields: to STIX and back, nothing lost", t => {
  if (!existsSync(DATA)) return t.skip(NOT_HERE)
  const text = readFileSync(join(DATA, 'eucc-metadata.json'), 'utf8')
  const fields = JSON.parse(text) as Record<string, string>
  const { certificate, identities } = readEnisa(text, AT)
  assert.deepEqual(toEnisa(certificate), fields)
  assert.deepEqual(
    ENISA_FIELDS.filter(name => !(name in fields)),
    [],
  )
  const { publication: _, extension_type: __, ...content } = readCertificate(certificate)
  const [issuer, holder, itsef] = identities.map(({ id }) => id)
  assert.deepEqual(
    identities.map(({ roles }) => roles),
    [['certification-body', 'ncca'], ['holder'], ['itsef']],
  )
  assert.deepEqual(content, {
    certificate_id: 'EUCC-3087-2025-12-0001',
    kind: 'certificate',
    scheme: 'EUCC',
    scheme_ref: content.scheme_ref,
    level: 'high',
    ava_van: 5,
    issuer_number: '3087',
    assurance: [
      'EAL5',
      'ADV_IMP.2',
      'ADV_INT.3',
      'ADV_TDS.5',
      'ALC_CMC.5',
      'ALC_DVS.2',
      'ALC_FLR.3',
      'ALC_TAT.3',
      'ATE_FUN.2',
      'ATE_COV.3',
      'AVA_VAN.5',
    ],
    criteria: ['CC:2022'],
    methods: ['CC:2022'],
    categories: ['Smartcard Controller'],
    valid_from: '2025-12-19T00:00:00.000Z',
    valid_until: '2030-12-19T00:00:00.000Z',
    issuer_ref: issuer,
    holder_ref: holder,
    itsef_ref: itsef,
    ncca_ref: issuer,
  })
})

test('both certificates of the data set: to STIX and back, nothing lost', t => {
  if (!existsSync(DATA)) return t.skip(NOT_HERE)
  const text = readFileSync(join(DATA, 'eucc-sample.json'), 'utf8')
  const { certs } = JSON.parse(text) as { certs: Record<string, unknown>[] }
  const read = readEuccDataset(text, AT)
  assert.equal(read.length, 2)
  for (const [i, { certificate }] of read.entries()) {
    const { state: _, pdf_data: __, heuristics: ___, ...facts } = certs[i] ?? {}
    assert.deepEqual(toSecCerts(certificate), facts)
  }
  assert.equal(readCertificate(read[1]?.certificate ?? {}).certificate_id, 'EUCC-3090-2025-10-03')
  // Both sources are about one certificate: one id.
  const enisa = readEnisa(readFileSync(join(DATA, 'eucc-metadata.json')), AT)
  assert.equal(read[0]?.certificate.id, enisa.certificate.id)
  const refuses = (change: object) =>
    assert.throws(() => readEuccDataset(JSON.stringify({ certs: [{ ...certs[0], ...change }] }), AT), ProductError)
  refuses({ another: 'field' })
  refuses({ heuristics: { cert_lab: 'found' } })
  refuses({ not_valid_after: '2025-02-30' })
  refuses({ status: 'other' })
})

test('words that say no date, level or number are kept, and nothing is read out of them', () => {
  const read = (fields: object) =>
    readCertificate(readEnisa(JSON.stringify({ certificate_id: 'EUCC-1-2026-01-1', ...fields }), AT).certificate)
  for (const fields of [
    {},
    {
      issuance_date_full: '31/02/2026',
      validity_period_years: 'five',
      assurance_level: 'Very high',
      ava_van_level: '9',
    },
    { issuance_date_full: 'soon', validity_period_years: '0 years', package: 'see the report' },
  ]) {
    const { valid_from, valid_until, level, ava_van, assurance, publication } = read(fields)
    assert.deepEqual([valid_from, valid_until, level, ava_van, assurance], Array(5).fill(undefined))
    assert.deepEqual(publication, { certificate_id: 'EUCC-1-2026-01-1', ...fields })
  }
  assert.equal(
    read({ issuance_date_full: '29/02/2028', validity_period_years: '1 year' }).valid_until,
    '2029-03-01T00:00:00.000Z',
  )
  for (const text of ['{}', '[]', '{"certificate_id":"a","another":"b"}', '{"certificate_id":7}']) {
    assert.throws(() => readEnisa(text, AT), ProductError)
  }
})
