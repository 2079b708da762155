import Type, { type Static } from 'typebox'
import { ProductError } from '../error.ts'
import { createCounter, createShape } from '../input.ts'
import { createEdges, createNames, type Draft, hashesOf, type Sbom, withPaths } from './component.ts'

/** CycloneDX 1.4 to 1.6 in JSON (ECMA-424): what names components and how they hang together. Its JSON Schema says more than is read here. */
const VERSIONS: readonly string[] = ['1.4', '1.5', '1.6']

const Text = Type.String({ maxLength: 10_000 })
const Named = Type.Object({ name: Type.Optional(Text) })
const ComponentShape = Type.Object({
  'bom-ref': Type.Optional(Text),
  type: Text,
  name: Text,
  group: Type.Optional(Text),
  version: Type.Optional(Text),
  purl: Type.Optional(Text),
  cpe: Type.Optional(Text),
  publisher: Type.Optional(Text),
  supplier: Type.Optional(Named),
  hashes: Type.Optional(Type.Array(Type.Object({ alg: Text, content: Text }))),
  licenses: Type.Optional(
    Type.Array(
      Type.Object({
        expression: Type.Optional(Text),
        license: Type.Optional(Type.Object({ id: Type.Optional(Text), name: Type.Optional(Text) })),
      }),
    ),
  ),
  components: Type.Optional(Type.Array(Type.Unknown())),
})
const checkComponent = createShape(ComponentShape)
const checkBom = createShape(
  Type.Object({
    bomFormat: Type.Literal('CycloneDX'),
    specVersion: Text,
    metadata: Type.Optional(Type.Object({ component: Type.Optional(Type.Unknown()) })),
    components: Type.Optional(Type.Array(Type.Unknown())),
    dependencies: Type.Optional(Type.Array(Type.Object({ ref: Text, dependsOn: Type.Optional(Type.Array(Text)) }))),
  }),
)

/** @throws ProductError `syntax`, `unsupported`, `too-big` */
export function readCycloneDx(value: unknown): Sbom {
  const bom = checkBom(value, 'CycloneDX')
  if (!VERSIONS.includes(bom.specVersion)) {
    throw new ProductError('unsupported', `CycloneDX ${bom.specVersion.slice(0, 20)}; read are ${VERSIONS.join(', ')}`)
  }
  const problems: string[] = []
  const names = createNames(problems)
  const count = createCounter('CycloneDX: components')
  const drafts: Draft[] = []
  const { edges, link } = createEdges()
  const refs = new Set<string>()

  function draftOf(component: Static<typeof ComponentShape>, at: string): Draft {
    const ref = component['bom-ref'] ?? at
    if (refs.has(ref))
      throw new ProductError('syntax', `CycloneDX${at}: the bom-ref ${ref.slice(0, 80)} is there twice`)
    refs.add(ref)
    const licences = (component.licenses ?? []).map(
      ({ expression, license }) => expression ?? license?.id ?? license?.name,
    )
    return {
      ref,
      name: component.group ? `${component.group}/${component.name}` : component.name,
      version: component.version || undefined,
      supplier: component.supplier?.name ?? component.publisher ?? component.group,
      purl: names.purl(component.purl),
      cpes: names.cpes(component.cpe === undefined ? [] : [component.cpe]),
      hashes: hashesOf((component.hashes ?? []).map(({ alg, content }) => [alg, content])),
      licence: licences.filter(licence => licence !== undefined).join(' AND ') || undefined,
    }
  }
  /** What stands within a component is part of it. */
  function walk(values: readonly unknown[], within: string, at: string): void {
    const children = values.map((each, i) => {
      count()
      const place = `${at}/components/${i}`
      const component = checkComponent(each, `CycloneDX${place}`)
      const draft = draftOf(component, place)
      drafts.push(draft)
      walk(component.components ?? [], draft.ref, place)
      return draft.ref
    })
    // What the file says of dependencies is nearer than that it lists a component.
    if (within !== '') for (const child of children) link(within, child)
  }
  let subject: Draft | undefined
  if (bom.metadata?.component !== undefined) {
    const component = checkComponent(bom.metadata.component, 'CycloneDX/metadata/component')
    subject = draftOf(component, '/metadata/component')
    walk(component.components ?? [], subject.ref, '/metadata/component')
  }
  for (const { ref, dependsOn = [] } of bom.dependencies ?? []) for (const part of dependsOn) link(ref, part)
  walk(bom.components ?? [], '', '')
  return {
    format: 'CycloneDX',
    specVersion: bom.specVersion,
    subject: subject && { ...subject, path: [subject.name] },
    components: withPaths(subject, drafts, edges),
    problems,
  }
}
