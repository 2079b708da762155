import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extensions, objectTypes } from './table.ts'
import { brokenOf, complete, idOf, minimal } from './test/samples.ts'
import { commonProperties } from './types/common.ts'
import type { Kind, ObjectType, Structure } from './types/kinds.ts'
import { validateObject, type ValidationResult } from './validate.ts'

const check = (object: unknown): ValidationResult => validateObject(object, { bundle: true, maxFindings: 1_000 })
const errors = (object: unknown) => check(object).findings.filter(finding => finding.severity === 'error')

test('the table has every type of sections 4 to 8', () => {
  const count = (wanted: ObjectType['class']) => [...objectTypes.values()].filter(type => type.class === wanted).length
  assert.deepEqual([count('sdo'), count('sro'), count('sco'), count('meta'), count('bundle')], [19, 2, 18, 3, 1])
  assert.equal([...extensions.values()].filter(extension => extension.name.endsWith('-ext')).length, 12)
})

test('the common properties are used as in the summary table of section 3.2', () => {
  const names = (record: object) => Object.keys(record).sort()
  const versioned = [
    'created',
    'created_by_ref',
    'external_references',
    'granular_markings',
    'id',
    'labels',
    'modified',
  ]
  const all = [...versioned, 'object_marking_refs', 'revoked', 'spec_version', 'type']
  assert.deepEqual(names(commonProperties.sdo), [...all, 'confidence', 'extensions', 'lang'].sort())
  assert.deepEqual(names(commonProperties.languageContent), [...all, 'confidence', 'extensions'].sort())
  assert.deepEqual(names(commonProperties.extensionDefinition), all.toSorted())
  const sco = ['defanged', 'extensions', 'granular_markings', 'id', 'object_marking_refs', 'spec_version', 'type']
  assert.deepEqual(names(commonProperties.sco), sco)
})

for (const type of objectTypes.values()) {
  test(`${type.name}: a minimal and a complete object are valid`, () => {
    // The sample extension is one that nobody knows, and so is a sample hash; `objects` is deprecated (section 2.13).
    const allowed = new Set(['unknown_extension', 'hash_algorithm', 'deprecated'])
    for (const object of [minimal(type), complete(type)]) {
      const { valid, findings } = check(object)
      assert.ok(valid)
      assert.deepEqual(
        findings.filter(({ rule }) => !allowed.has(rule)),
        [],
      )
    }
  })

  test(`${type.name}: each required property is missed`, () => {
    for (const [name, property] of Object.entries(type.properties)) {
      if (!property.required) continue
      const object = minimal(type)
      delete object[name]
      const [finding] = errors(object)
      assert.equal(finding?.path, `$.${name}`)
      assert.ok(['required', 'spec_version', 'type'].includes(finding.rule), finding.rule)
    }
  })

  test(`${type.name}: each broken value of each property is an error at its path`, () => {
    for (const [name, property] of Object.entries(type.properties)) {
      for (const value of brokenOf(property.kind)) {
        const found = errors({ ...complete(type), [name]: value })
        const text = `${name}: ${JSON.stringify(value)?.slice(0, 80)}`
        assert.ok(
          found.some(finding => finding.path.startsWith(`$.${name}`)),
          text,
        )
        // What is tied to the property may fail with it; nothing else may.
        const tied = new Set([name, ...tiedTo(type, name)])
        for (const finding of found)
          assert.ok(finding.path === '$' || tied.has(rootOf(finding.path)), `${text}: ${finding.path}`)
      }
    }
  })
}

const rootOf = (path: string): string => path.split(/[.[]/)[1] ?? ''

/** Properties that a constraint or a definition ties to this one. */
function tiedTo(of: Structure, name: string): string[] {
  const tied = of.constraints.flatMap(constraint => {
    if ('of' in constraint) return constraint.of
    if (constraint.rule === 'timestamp_order') return [constraint.first, constraint.second]
    if (constraint.rule === 'external_id') return ['source_name', 'external_id']
    return 'flag' in constraint ? [constraint.flag, constraint.name] : [constraint.name, constraint.other]
  })
  if (name === 'type') return Object.keys(of.properties)
  return [...tied, ...(name === 'definition_type' ? ['definition'] : []), 'extension_properties', 'granular_markings']
}

test('each structure inside an object and each extension misses what it requires and refuses broken members', () => {
  const structures = new Map<string, Structure>()
  const collect = (kind: Kind): void => {
    if (kind.kind === 'list') return collect(kind.of)
    if (kind.kind !== 'structure' || structures.has(kind.structure.name)) return
    structures.set(kind.structure.name, kind.structure)
    for (const property of Object.values(kind.structure.properties)) collect(property.kind)
  }
  let broken = 0
  for (const extension of extensions.values()) {
    const type = extension.on?.[0] ?? 'file'
    for (const property of Object.values(extension.properties)) collect(property.kind)
    const host = minimal(objectTypes.get(type) as ObjectType)
    const within = (content: object) => errors({ ...host, extensions: { [extension.name]: content } })
    assert.deepEqual(within(complete(extension, type)), [], extension.name)
    assert.deepEqual(
      within(minimal(extension, type)).filter(finding => finding.rule !== 'empty_dictionary'),
      [],
      extension.name,
    )
    assert.ok(within({}).some(finding => finding.rule === 'empty_dictionary'))
    for (const [name, property] of Object.entries(extension.properties)) {
      const content: Record<string, unknown> = { ...complete(extension, type) }
      delete content[name]
      if (property.required)
        assert.ok(
          within(content).some(finding => finding.rule === 'required'),
          name,
        )
      for (const value of brokenOf(property.kind)) {
        broken++
        const found = within({ ...content, [name]: value })
        assert.ok(
          found.some(finding => finding.path.includes(name)),
          `${extension.name}.${name}: ${JSON.stringify(value)}`,
        )
      }
    }
  }
  for (const type of objectTypes.values()) for (const property of Object.values(type.properties)) collect(property.kind)
  assert.deepEqual([...structures.keys()].sort(), [
    'alternate-data-stream-type',
    'email-mime-part-type',
    'external-reference',
    'granular-marking',
    'ict-document-type',
    'ict-due-type',
    'ict-mapping-type',
    'ict-publication-type',
    'ict-status-type',
    'ict-support-type',
    'kill-chain-phase',
    'windows-pe-optional-header-type',
    'windows-pe-section-type',
    'windows-registry-value-type',
    'x509-v3-extensions-type',
  ])
  const hosts = [...objectTypes.values(), ...extensions.values()]
  for (const structure of structures.values()) {
    const host = hosts.find(of => Object.values(of.properties).some(property => holds(property.kind, structure)))
    const [name, property] =
      Object.entries(host?.properties ?? {}).find(([, each]) => holds(each.kind, structure)) ?? []
    assert.ok(host !== undefined && name !== undefined && property !== undefined)
    const within = (content: object) => {
      const value = property.kind.kind === 'list' ? [content] : content
      if ('class' in host) return errors({ ...minimal(host), [name]: value })
      const object = minimal(objectTypes.get(host.on?.[0] ?? 'file') as ObjectType)
      return errors({ ...object, extensions: { [host.name]: { ...minimal(host, 'file'), [name]: value } } })
    }
    assert.deepEqual(within(complete(structure, 'file')), [], structure.name)
    for (const [member, { kind, required }] of Object.entries(structure.properties)) {
      const content = complete(structure, 'file')
      delete content[member]
      if (required)
        assert.ok(
          within(content).some(finding => finding.rule === 'required'),
          member,
        )
      for (const value of brokenOf(kind)) {
        broken++
        const found = within({ ...content, [member]: value })
        assert.ok(
          found.some(finding => finding.path.includes(member)),
          `${structure.name}.${member}: ${JSON.stringify(value)}`,
        )
      }
    }
  }
  assert.ok(broken > 500, `${broken} broken members`)
})

const holds = (kind: Kind, structure: Structure): boolean =>
  kind.kind === 'list' ? holds(kind.of, structure) : kind.kind === 'structure' && kind.structure === structure

test('every reference refuses each type that the table does not allow, and takes each that it does', () => {
  for (const type of objectTypes.values()) {
    for (const [name, property] of Object.entries(type.properties)) {
      const { kind } = property
      const identifier = kind.kind === 'list' ? kind.of : kind
      if (identifier.kind !== 'identifier') continue
      for (const target of objectTypes.values()) {
        const value = kind.kind === 'list' ? [idOf(target.name)] : idOf(target.name)
        const refused = errors({ ...complete(type), [name]: value }).some(finding => finding.rule === 'ref_target')
        const allowed: boolean = identifier.targets.includes(target.name) || identifier.targets.includes(target.class)
        assert.equal(refused, !allowed, `${type.name}.${name} to ${target.name}`)
      }
    }
  }
})
