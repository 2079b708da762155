import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Compile } from 'typebox/compile'
import type { TSchema } from 'typebox'
import { ictExtensionDefinitions, ictIdentity, namedId } from './ict.ts'
import { extensions, objectTypes } from './table.ts'
import { schemaFiles } from './test/schemas.ts'
import { brokenOf, complete, minimal } from './test/samples.ts'
import type { ObjectType } from './types/kinds.ts'
import { validateObject } from './validate.ts'

const NAMES = ['ict-artifact', 'ict-certificate', 'ict-scheme', 'ict-commitment']

test('ids of the extension definitions follow from their names, and the objects are valid STIX', () => {
  assert.deepEqual(
    ictExtensionDefinitions.map(({ id }) => id),
    NAMES.map(name => namedId('extension-definition', `extension/${name}`)),
  )
  for (const object of [ictIdentity, ...ictExtensionDefinitions]) {
    // UUIDv5 where 2.9 has v4 as a SHOULD: a warning under `strict` and `standard`.
    assert.deepEqual(
      validateObject(object, { policy: 'strict' }).findings.filter(({ rule }) => rule !== 'uuid_version'),
      [],
    )
  }
})

test('the published schemas are those of the table', () => {
  for (const [name, schema] of schemaFiles()) {
    const published: unknown = JSON.parse(readFileSync(join(import.meta.dirname, 'schemas', name), 'utf8'))
    assert.deepEqual(published, schema, name)
  }
})

test('a JSON Schema validator takes and refuses what the walker does', () => {
  let refused = 0
  for (const { id, schema, name } of ictExtensionDefinitions) {
    const extension = extensions.get(id as string)
    assert.ok(extension !== undefined)
    const validator = Compile(JSON.parse(schema as string) as TSchema)
    const type = extension.on?.[0] ?? 'report'
    const host = minimal(objectTypes.get(type) as ObjectType)
    const valid = (content: object) =>
      validateObject({ ...host, extensions: { [extension.name]: content } }, { warnings: false }).valid
    for (const content of [minimal(extension, type), complete(extension, type)]) {
      assert.ok(validator.Check(content), `${String(name)}: ${JSON.stringify(validator.Errors(content)[0])}`)
      assert.ok(valid(content), String(name))
    }
    for (const [member, { kind }] of Object.entries(extension.properties)) {
      for (const value of brokenOf(kind)) {
        const content = { ...complete(extension, type), [member]: value }
        assert.ok(!valid(content), `${member}: ${JSON.stringify(value)}`)
        // What a schema does not say: the form of texts and the calendar.
        if (validator.Check(content)) continue
        refused++
      }
    }
  }
  assert.ok(refused > 300, `${refused} refused by both`)
})

test('a certificate is a report, an artifact an infrastructure, and an end is later than the beginning', () => {
  const certificate = extensions.get(ictExtensionDefinitions[1]?.id as string)
  assert.ok(certificate !== undefined)
  const report = minimal(objectTypes.get('report') as ObjectType)
  const rules = (host: object, content: object) =>
    validateObject({ ...host, extensions: { [certificate.name]: content } }, { warnings: false }).findings.map(
      ({ rule }) => rule,
    )
  const content = minimal(certificate, 'report')
  assert.deepEqual(rules(report, content), [])
  assert.deepEqual(rules(minimal(objectTypes.get('infrastructure') as ObjectType), content), ['extension_target'])
  const day = '2025-12-19T00:00:00Z'
  assert.deepEqual(rules(report, { ...content, valid_from: day, valid_until: day }), ['timestamp_order'])
})
