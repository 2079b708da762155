import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { extensions, objectTypes } from './table.ts'
import { complete } from './test/samples.ts'
import { commonPropertyNames } from './types/common.ts'
import type { Constraint, Kind, Structure } from './types/kinds.ts'
import { validateObject } from './validate.ts'

/** The specification's word for a kind, as its property tables have it. */
function word(kind: Kind): string {
  switch (kind.kind) {
    case 'list':
      return `list of type ${word(kind.of)}`
    case 'structure':
      return kind.structure.name
    case 'language':
    case 'selector':
    case 'relationship-type':
      return 'string'
    case 'stix-object':
      return 'STIX Object'
    case 'marking':
      return 'marking object'
    default:
      return kind.kind
  }
}

const linesOf = (file: string): string[] =>
  readFileSync(join(import.meta.dirname, 'test', file), 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))

function everyStructure(): Map<string, Structure> {
  const found = new Map<string, Structure>()
  const add = (structure: Structure): void => {
    if (found.has(structure.name)) return
    found.set(structure.name, structure)
    for (const { kind } of Object.values(structure.properties)) {
      const inner = kind.kind === 'list' ? kind.of : kind
      if (inner.kind === 'structure') add(inner.structure)
    }
  }
  // Extension definitions are not the standard's, but of whoever publishes them.
  const predefined = [...extensions.values()].filter(({ name }) => !name.startsWith('extension-definition--'))
  for (const structure of [...objectTypes.values(), ...predefined]) add(structure)
  return found
}

test('the table has the properties of the standard, each required or optional and of the kind that it says', () => {
  const standard = linesOf('properties.txt')
  assert.equal(standard.length, 410)
  const table: string[] = []
  for (const structure of everyStructure().values()) {
    for (const [name, property] of Object.entries(structure.properties)) {
      // The common properties have a test of their own; granular-marking has a `lang` of its own.
      if (commonPropertyNames.has(name) && structure.name !== 'granular-marking') continue
      const kind = name === 'definition_type' ? 'open-vocab' : word(property.kind)
      table.push(`${structure.name} ${name} ${property.required ? 'required' : 'optional'} ${kind}`)
    }
  }
  assert.deepEqual(table.sort(), standard.sort())
})

test('the table has the targets of the standard for each reference', () => {
  const table: string[] = []
  for (const structure of everyStructure().values()) {
    for (const [name, { kind }] of Object.entries(structure.properties)) {
      const reference = kind.kind === 'list' ? kind.of : kind
      if (reference.kind !== 'identifier') continue
      const targets = reference.targets.toSorted().join(' ')
      if (name === 'created_by_ref') assert.equal(targets, 'identity')
      else if (name === 'object_marking_refs') assert.equal(targets, 'marking-definition')
      else table.push(`${structure.name} ${name} ${targets}`)
    }
  }
  assert.deepEqual(table.sort(), linesOf('references.txt').sort())
})

/** An object in which this constraint, and as far as possible no other, is broken. */
function breakConstraint(constraint: Constraint, whole: Record<string, unknown>): Record<string, unknown> {
  const object = { ...whole }
  switch (constraint.rule) {
    case 'at_least_one':
      for (const name of constraint.of) delete object[name]
      return object
    case 'exactly_one':
      for (const name of constraint.of) object[name] ??= 'x'
      return object
    case 'needs':
      object[constraint.name] ??= 'x'
      delete object[constraint.other]
      return object
    case 'needs_without':
      delete object[constraint.name]
      delete object[constraint.other]
      return object
    case 'required_when':
      object[constraint.flag] = constraint.value
      delete object[constraint.name]
      return object
    case 'forbidden_when':
      object[constraint.flag] = constraint.value
      object[constraint.name] ??= 'x'
      return object
    case 'external_id':
      object.source_name = 'cve'
      object.external_id = 'CVE-1'
      return object
    case 'timestamp_order':
      object[constraint.first] = '2024-03-01T00:00:00.000001Z'
      object[constraint.second] = '2024-03-01T00:00:00.000Z'
      return object
  }
}

test('every constraint of the table is enforced, and there are as many as the standard has', () => {
  const named = { needs_without: 'needs', required_when: 'needs', forbidden_when: 'forbidden' } as const
  const counts: Record<string, number> = {}
  for (const type of objectTypes.values()) {
    for (const constraint of type.constraints) {
      const { findings } = validateObject(breakConstraint(constraint, complete(type)))
      const rule = constraint.rule in named ? named[constraint.rule as keyof typeof named] : constraint.rule
      const found = findings.some(finding => finding.rule === rule && finding.section === constraint.section)
      assert.ok(found, `${type.name}: ${JSON.stringify(constraint)}`)
      if (constraint.rule === 'timestamp_order') {
        // The same instant, written differently, is in order unless the rule says "later".
        const even = { ...complete(type), [constraint.first]: '2024-03-01T00:00:00.000Z' }
        even[constraint.second] = '2024-03-01T00:00:00.0000Z'
        const told = validateObject(even).findings.some(finding => finding.rule === 'timestamp_order')
        assert.equal(told, constraint.strict, `${type.name}: ${constraint.second}`)
      }
      counts[constraint.rule] = (counts[constraint.rule] ?? 0) + 1
    }
  }
  assert.deepEqual(counts, {
    // created and modified: 19 + 2 + 2 types; first and last: 7; network-traffic; indicator, relationship.
    timestamp_order: 23 + 7 + 1 + 2,
    // location, malware-analysis, file, network-traffic, process, user-account, windows-registry-key, x509-certificate.
    at_least_one: 8,
    // artifact, observed-data.
    exactly_one: 2,
    // location: 4; artifact: 2; file: 1.
    needs: 7,
    // marking-definition.
    needs_without: 2,
    // malware.
    required_when: 1,
    // email-message: 2; network-traffic: 1.
    forbidden_when: 3,
  })
})
