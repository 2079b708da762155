import Type, { type Static } from 'typebox'
import type { Advisory, Product, Statement, Status, Versions } from './advisory.ts'
import { readRange, versionTypeOf } from './advisory.ts'
import { plain } from './cpe.ts'
import { ProductError } from './error.ts'
import { createCounter, createShape, readJson } from './input.ts'
import { createNames, hashesOf } from './sbom/component.ts'

/** CSAF 2.0 and 2.1 (OASIS): the product tree, and what each vulnerability says of its products. */
const VERSIONS: readonly string[] = ['2.0', '2.1']
const MAX_BRANCHES = 50

const Text = Type.String({ maxLength: 100_000 })
const Texts = Type.Array(Text)
const ProductShape = Type.Object({
  name: Text,
  product_id: Type.String({ minLength: 1, maxLength: 1_000 }),
  product_identification_helper: Type.Optional(
    Type.Object({
      cpe: Type.Optional(Text),
      purl: Type.Optional(Text),
      purls: Type.Optional(Texts),
      hashes: Type.Optional(
        Type.Array(Type.Object({ file_hashes: Type.Array(Type.Object({ algorithm: Text, value: Text })) })),
      ),
    }),
  ),
})
const BranchShape = Type.Object({
  category: Text,
  name: Text,
  product: Type.Optional(ProductShape),
  branches: Type.Optional(Type.Array(Type.Unknown())),
})
const checkBranch = createShape(BranchShape)
const Score = Type.Optional(Type.Object({ vectorString: Text }))
const Scores = Type.Object({ cvss_v2: Score, cvss_v3: Score, cvss_v4: Score })
const VulnerabilityShape = Type.Object({
  cve: Type.Optional(Text),
  title: Type.Optional(Text),
  ids: Type.Optional(Type.Array(Type.Object({ system_name: Text, text: Text }))),
  product_status: Type.Optional(Type.Record(Type.String(), Texts)),
  notes: Type.Optional(Type.Array(Type.Object({ category: Text, text: Text }))),
  /** CSAF 2.0; in 2.1 `metrics`. */
  scores: Type.Optional(Type.Array(Scores)),
  metrics: Type.Optional(Type.Array(Type.Object({ content: Scores }))),
  flags: Type.Optional(
    Type.Array(Type.Object({ label: Text, product_ids: Type.Optional(Texts), group_ids: Type.Optional(Texts) })),
  ),
  threats: Type.Optional(
    Type.Array(
      Type.Object({
        category: Text,
        details: Text,
        product_ids: Type.Optional(Texts),
        group_ids: Type.Optional(Texts),
      }),
    ),
  ),
})
const TreeShape = Type.Object({
  branches: Type.Optional(Type.Array(Type.Unknown())),
  full_product_names: Type.Optional(Type.Array(ProductShape)),
  relationships: Type.Optional(
    Type.Array(
      Type.Object({
        product_reference: Text,
        relates_to_product_reference: Text,
        full_product_name: ProductShape,
      }),
    ),
  ),
  product_groups: Type.Optional(Type.Array(Type.Object({ group_id: Text, product_ids: Texts }))),
})
const check = createShape(
  Type.Object({
    document: Type.Object({
      csaf_version: Text,
      category: Text,
      title: Text,
      publisher: Type.Object({ name: Text }),
      tracking: Type.Object({ id: Text }),
    }),
    product_tree: Type.Optional(TreeShape),
    vulnerabilities: Type.Optional(Type.Array(VulnerabilityShape)),
  }),
)

/** Groups of `product_status` (section 3.2.3.9) in our words. `recommended` says nothing of what is affected. */
const GROUPS: Readonly<Record<string, Status>> = {
  first_affected: 'affected',
  known_affected: 'affected',
  last_affected: 'affected',
  first_fixed: 'fixed',
  fixed: 'fixed',
  known_not_affected: 'not_affected',
  under_investigation: 'under_investigation',
}

type Known = { product: Product; versions: Versions }

/**
 * An advisory, a VEX document (category `csaf_vex`) or any other CSAF file.
 *
 * @throws ProductError `syntax`, `unsupported`, `too-big`
 */
export function readCsaf(input: string | Uint8Array): Advisory {
  return csafAdvisory(readJson(input, 'the CSAF document'))
}

/** What {@link readCsaf} does, of what was parsed. */
export function csafAdvisory(value: unknown): Advisory {
  const csaf = check(value, 'the CSAF document')
  const { document, product_tree: tree = {} } = csaf
  if (!VERSIONS.includes(document.csaf_version)) {
    throw new ProductError('unsupported', `CSAF ${document.csaf_version.slice(0, 20)}; read are ${VERSIONS.join(', ')}`)
  }
  const products = readTree(tree)
  const groups = new Map((tree.product_groups ?? []).map(({ group_id, product_ids }) => [group_id, product_ids]))
  const count = createCounter('CSAF: statements')
  return {
    id: document.tracking.id,
    title: document.title,
    publisher: document.publisher.name,
    vulnerabilities: (csaf.vulnerabilities ?? []).map((one, i) => {
      const reasons = justifications(one, groups)
      const at = `/vulnerabilities/${i}/product_status`
      const statements = Object.entries(one.product_status ?? {}).flatMap(([group, ids]) => {
        const status = Object.hasOwn(GROUPS, group) ? GROUPS[group] : undefined
        if (status === undefined) return []
        return ids.map((id): Statement => {
          count()
          const known = products.get(id)
          if (known === undefined) throw new ProductError('syntax', `CSAF${at}/${group}: no product ${id.slice(0, 80)}`)
          return {
            product: known.product,
            rules: [{ status, versions: known.versions }],
            otherwise: undefined,
            at: `${at}/${group}`,
            justification: status === 'not_affected' ? reasons.get(id) : undefined,
          }
        })
      })
      const id = one.cve ?? one.ids?.[0]?.text ?? `${document.tracking.id}#${i + 1}`
      const notes = one.notes ?? []
      const note = ['description', 'summary'].flatMap(kind => notes.find(({ category }) => category === kind) ?? [])[0]
      const scores = [...(one.scores ?? []), ...(one.metrics ?? []).map(({ content }) => content)]
      const vectors = scores.flatMap(({ cvss_v2, cvss_v3, cvss_v4 }) =>
        [cvss_v4, cvss_v3, cvss_v2].flatMap(score => score?.vectorString ?? []),
      )
      return { id, title: one.title ?? id, description: note?.text, cvss: [...new Set(vectors)], statements }
    }),
  }
}

/** What the branches above a product say of it. */
type Context = { vendor: string | undefined; product: string | undefined; versions: Versions | undefined }

function readTree(tree: Static<typeof TreeShape>): Map<string, Known> {
  const count = createCounter('CSAF: products and branches')
  const names = createNames([])
  const products = new Map<string, Known>()

  function add(shape: Static<typeof ProductShape>, { vendor, product, versions }: Context, within?: Known): void {
    count()
    const { product_id: id, name, product_identification_helper: helper = {} } = shape
    if (products.has(id)) throw new ProductError('syntax', `CSAF: the product_id ${id.slice(0, 80)} is there twice`)
    const purl = names.purl(helper.purl ?? helper.purls?.[0])
    const cpes = names.cpes(helper.cpe === undefined ? [] : [helper.cpe])
    const files = (helper.hashes ?? []).flatMap(({ file_hashes }) => file_hashes)
    products.set(id, {
      product: {
        name,
        vendor,
        product: product ?? name,
        purl,
        cpes,
        hashes: hashesOf(files.map(({ algorithm, value }) => [algorithm, value])),
        within,
      },
      versions: versions ?? named(purl, cpes),
    })
  }
  function walk(values: readonly unknown[], context: Context, at: string, depth: number): void {
    if (depth > MAX_BRANCHES) throw new ProductError('too-big', `CSAF: branches deeper than ${MAX_BRANCHES}`)
    for (const [i, value] of values.entries()) {
      count()
      const branch = checkBranch(value, `CSAF${at}/${i}`)
      const helper = branch.product?.product_identification_helper
      const type = versionTypeOf(names.purl(helper?.purl ?? helper?.purls?.[0]))
      const next = { ...context }
      if (branch.category === 'vendor') next.vendor = branch.name
      if (branch.category === 'product_name') next.product = branch.name
      if (branch.category === 'product_version') next.versions = { kind: 'exact', version: branch.name, type }
      if (branch.category === 'product_version_range') next.versions = readRange(branch.name, type)
      if (branch.product !== undefined) add(branch.product, next)
      walk(branch.branches ?? [], next, `${at}/${i}/branches`, depth + 1)
    }
  }
  const nothing: Context = { vendor: undefined, product: undefined, versions: undefined }
  walk(tree.branches ?? [], nothing, '/product_tree/branches', 1)
  for (const shape of tree.full_product_names ?? []) add(shape, nothing)
  for (const { product_reference, relates_to_product_reference, full_product_name } of tree.relationships ?? []) {
    const part = products.get(product_reference)
    const whole = products.get(relates_to_product_reference)
    if (part === undefined || whole === undefined) {
      throw new ProductError(
        'syntax',
        `CSAF: a relationship of ${full_product_name.product_id.slice(0, 80)} names no product`,
      )
    }
    const { vendor, product } = part.product
    add(full_product_name, { vendor, product, versions: part.versions }, whole)
    const added = products.get(full_product_name.product_id)
    // Where the whole has no names of its own it has those of the part.
    if (added !== undefined && added.product.purl === undefined && added.product.cpes.length === 0) {
      added.product = { ...part.product, name: full_product_name.name, within: whole }
    }
  }
  return products
}

/** A version that stands in the product's own names. */
function named(purl: Product['purl'], [cpe]: Product['cpes']): Versions {
  if (purl?.version !== undefined) return { kind: 'exact', version: purl.version, type: versionTypeOf(purl) }
  if (cpe === undefined || cpe.version === '*' || cpe.version === '-') return { kind: 'all' }
  return { kind: 'exact', version: plain(cpe.version), type: 'generic' }
}

/** Why products are not affected, by their ids: flags (section 3.2.3.5), else the impact (3.2.3.14). */
function justifications(
  { flags = [], threats = [] }: Static<typeof VulnerabilityShape>,
  groups: ReadonlyMap<string, readonly string[]>,
): Map<string, string> {
  const reasons = new Map<string, string>()
  const count = createCounter('CSAF: products of flags and threats', 1_000_000)
  const impacts = threats
    .filter(({ category }) => category === 'impact')
    .map(threat => ({ ...threat, label: threat.details }))
  for (const { label, product_ids = [], group_ids = [] } of [...impacts, ...flags]) {
    for (const ids of [product_ids, ...group_ids.map(group => groups.get(group) ?? [])]) {
      for (const id of ids) {
        count()
        reasons.set(id, label)
      }
    }
  }
  return reasons
}
