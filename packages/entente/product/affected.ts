import { type Advisory, isAmong, type Product, showVersions, type Statement, type Status } from './advisory.ts'
import { type Cpe, isProduct, plain } from './cpe.ts'
import type { Id } from './ids.ts'
import { createCounter } from './input.ts'
import { isPackage, type Purl } from './purl.ts'
import type { Component, Sbom } from './sbom.ts'

/** A version of an artifact, and what it is made of. */
export type Bom = {
  version: Id
  /** As people call it. */
  name: string
  manufacturer?: string | undefined
  model?: string | undefined
  /** As its manufacturer writes it, for ranges. */
  number?: string | undefined
  purls?: readonly Purl[]
  cpes?: readonly Cpe[]
  sbom?: Sbom | undefined
}

export type Reason = {
  /** The artifact's version itself, or the component with its version. */
  component: string
  /** By which name it is the advisory's product; `name` is the weakest: texts that are equal, of the product and of its vendor where both say one. */
  by: 'purl' | 'cpe' | 'hash' | 'name'
  product: string
  /** Which versions the advisory says it of. */
  range: string
  /** From the artifact down to the component. */
  path: readonly string[]
  at: string
  justification: string | undefined
}
export type Finding = {
  version: Id
  name: string
  vulnerability: string
  /** `undecided`: the product is the advisory's, and whether the version is can't be told. Somebody must look. */
  status: Status | 'undecided'
  reasons: Reason[]
}

const MAX_COMPARISONS = 50_000_000

/** What counts where statements differ, the worst first. */
const RANK = ['affected', 'undecided', 'under_investigation', 'fixed', 'not_affected'] as const

/** A part of a version, or all of it, by its names. */
type Part = Pick<Component, 'name' | 'version' | 'supplier' | 'purl' | 'cpes' | 'hashes' | 'path'>

/**
 * Which versions of artifacts an advisory is about, by their own names or those of components in their SBOMs, and why. What is said of a version itself
 * goes before what is said of its components, and what is said of a component in it before what is said of the component anywhere: so a manufacturer's VEX
 * says that a component's vulnerability does not affect its product. Silence is no statement: a version that the advisory does not name has no finding.
 *
 * @throws ProductError `too-big` where an advisory names so many products by wildcards that it would take minutes
 */
export function affectedVersions(advisory: Advisory, boms: readonly Bom[]): Finding[] {
  const count = createCounter('products held against components', MAX_COMPARISONS)
  const wholes = boms.map(bom => ({ bom, own: ownParts(bom), index: indexOf(bom.sbom?.components ?? []) }))
  return advisory.vulnerabilities.flatMap(({ id, statements }) =>
    wholes.flatMap(({ bom, own, index }) => {
      const self: Verdict[] = []
      const inside: Verdict[] = []
      const parts: Verdict[] = []
      for (const statement of statements) {
        count()
        const { within } = statement.product
        if (within !== undefined && !own.some(part => isOf(part, within))) continue
        if (within === undefined) for (const verdict of judge(own, statement)) self.push(verdict)
        const candidates = index.candidates(statement.product)
        for (const _ of candidates) count()
        const found = within === undefined ? parts : inside
        for (const verdict of judge(candidates, statement)) found.push(verdict)
      }
      const said = self.filter(({ isSure }) => isSure)
      const known = new Set(inside.map(({ part }) => part))
      const others = parts.filter(({ part }) => !known.has(part))
      const verdicts = said.length > 0 ? said : [...self, ...inside, ...others]
      const status = RANK.find(rank => verdicts.some(verdict => verdict.status === rank))
      if (status === undefined) return []
      const reasons = verdicts.filter(verdict => verdict.status === status).map(({ reason }) => reason)
      return [{ version: bom.version, name: bom.name, vulnerability: id, status, reasons }]
    }),
  )
}

type Verdict = { part: Part; status: Finding['status']; isSure: boolean; reason: Reason }

/** Of parts that are the statement's product: what it says of their versions. */
function judge(parts: readonly Part[], statement: Statement): Verdict[] {
  return parts.flatMap((part): Verdict[] => {
    const match = matches(part, statement.product)
    if (match === undefined) return []
    const { by, isSure } = match
    const verdict = (status: Finding['status'], range: string): Verdict => ({
      part,
      status: isSure ? status : 'undecided',
      isSure,
      reason: {
        component: part.version === undefined ? part.name : `${part.name} ${part.version}`,
        by,
        product: statement.product.name,
        range,
        path: part.path,
        at: statement.at,
        justification: statement.justification,
      },
    })
    let open: Verdict | undefined
    for (const { status, versions } of statement.rules) {
      // What has the very bytes of a product is that version of it.
      const isIn = by === 'hash' ? true : isAmong(versions, versionOf(part, by))
      if (isIn === true) return isSure || isWorrying(status) ? [verdict(status, showVersions(versions))] : []
      if (isIn === 'undecided') open ??= verdict('undecided', showVersions(versions))
    }
    if (open !== undefined) return [open]
    const { otherwise } = statement
    if (otherwise === undefined || !(isSure || isWorrying(otherwise))) return []
    return [verdict(otherwise, 'versions that the advisory does not list')]
  })
}

/** Of what may be another product only this is told. */
const isWorrying = (status: Finding['status']): boolean => status !== 'fixed' && status !== 'not_affected'

function isOf(part: Part, { product, versions }: NonNullable<Product['within']>): boolean {
  const match = matches(part, product)
  return match?.isSure === true && isAmong(versions, versionOf(part, match.by)) === true
}

const fold = (text: string): string => text.trim().toLowerCase()

/** `isSure`: not where only the product's name is the same and nobody says whose product the part is. */
type Match = { by: Reason['by']; isSure: boolean }

function matches(part: Part, product: Product): Match | undefined {
  for (const [algorithm, hex] of Object.entries(product.hashes)) {
    if (part.hashes[algorithm] === hex && algorithm !== 'MD5' && algorithm !== 'SHA-1') return sure('hash')
  }
  const { purl, cpes } = product
  if (purl !== undefined && part.purl !== undefined && isPackage(purl, part.purl)) return sure('purl')
  if (cpes.some(pattern => part.cpes.some(cpe => isProduct(pattern, cpe)))) return sure('cpe')
  // Both have a name of one kind, and it is another.
  if (purl !== undefined && part.purl?.type === purl.type) return undefined
  if (cpes.length > 0 && part.cpes.length > 0) return undefined
  const isSame = product.product !== undefined && namesOf(part.name).includes(fold(product.product))
  if (!isSame) return undefined
  if (product.vendor === undefined || part.supplier === undefined) return { by: 'name', isSure: false }
  return fold(product.vendor) === fold(part.supplier) ? sure('name') : undefined
}

const sure = (by: Reason['by']): Match => ({ by, isSure: true })

/** With what stands before it (a group, a scope), and without. */
function namesOf(name: string): string[] {
  const whole = fold(name)
  const last = whole.slice(whole.lastIndexOf('/') + 1)
  return last === whole || last === '' ? [whole] : [whole, last]
}

/** As the kind of name writes it by which the product was found, else as there is one. */
function versionOf({ version, purl, cpes }: Part, by: Reason['by']): string | undefined {
  const [cpe] = cpes
  const ofCpe = cpe === undefined || cpe.version === '*' || cpe.version === '-' ? undefined : plain(cpe.version)
  if (by === 'purl') return purl?.version ?? version
  return by === 'cpe' ? (ofCpe ?? version) : (version ?? purl?.version ?? ofCpe)
}

/** The version itself, by each of its names, and what its SBOM says it is. */
function ownParts({ name, manufacturer, model, number, purls = [], cpes = [], sbom }: Bom): Part[] {
  const base = { name: model ?? name, version: number, supplier: manufacturer, cpes, hashes: {}, path: [name] }
  const own: Part[] = purls.length === 0 ? [{ ...base, purl: undefined }] : purls.map(purl => ({ ...base, purl }))
  const subject = sbom?.subject
  return subject === undefined ? own : [...own, { ...subject, version: subject.version ?? number, path: [name] }]
}

/** Components by what a product may be found by, so that not each is held against each. */
function indexOf(components: readonly Component[]) {
  const byPurl = new Map<string, Component[]>()
  const byName = new Map<string, Component[]>()
  const byHash = new Map<string, Component[]>()
  const byCpe = new Map<string, Component[]>()
  const withCpe: Component[] = []
  const add = (map: Map<string, Component[]>, key: string, component: Component) => {
    const list = map.get(key)
    if (list === undefined) map.set(key, [component])
    else list.push(component)
  }
  for (const component of components) {
    if (component.purl !== undefined) add(byPurl, keyOf(component.purl), component)
    if (component.cpes.length > 0) withCpe.push(component)
    for (const cpe of component.cpes) add(byCpe, cpe.product, component)
    for (const name of namesOf(component.name)) add(byName, name, component)
    for (const hex of Object.values(component.hashes)) add(byHash, hex, component)
  }
  return {
    candidates({ purl, cpes, product, hashes }: Product): Component[] {
      const found = [
        ...(purl === undefined ? [] : (byPurl.get(keyOf(purl)) ?? [])),
        ...cpes.flatMap(cpe => (/[*?]/.test(cpe.product) ? withCpe : (byCpe.get(cpe.product) ?? []))),
        ...(product === undefined ? [] : (byName.get(fold(product)) ?? [])),
        ...Object.values(hashes).flatMap(hex => byHash.get(hex) ?? []),
      ]
      return [...new Set(found)]
    },
  }
}

const keyOf = ({ type, namespace, name }: Purl): string => `${type}/${namespace ?? ''}/${name}`
