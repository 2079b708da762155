// Rules as calls of contracts.
import {
  type Authority,
  type Bit,
  type CertificateInput,
  type ChainKind,
  type Change,
  LABELS,
  type Level,
  type NewParty,
  type Recognition,
  Refusal,
  type Restriction,
  type RuleArguments,
  type RuleName,
  type Scope,
} from '@entente/rules'
import type { Hex } from 'viem'
import { encodeFunctionData } from 'viem/utils'
import { abiOf, type ContractName, CONTRACTS_OF } from './contracts.ts'
import { orZero, toAddress, toCountry, toEnum, toIdentity, toLevels, toPartyKind, toTerms } from './values.ts'

export interface ContractCall {
  readonly contract: ContractName
  readonly name: string
  readonly args: readonly unknown[]
}

/** What an encoder may need to know beside the arguments. */
export interface EncodeContext {
  readonly kind: ChainKind
  /** Party of the key that signs: the one that a rule means where it is told of nobody. */
  party(): Promise<Hex>
}

type Encoders = {
  [N in RuleName]?: (context: EncodeContext, ...args: RuleArguments<N>) => Promise<ContractCall> | ContractCall
}

const RESTRICTIONS: readonly Restriction['do'][] = ['restrict', 'suspend', 'resume', 'end']
const BITS: readonly Bit[] = ['V', 'F', 'D', 'P', 'X', 'A']
const ENDINGS = ['invalid', 'duplicate'] as const
const NOTHING: Scope = { schemes: [], categories: [], until: 0 }

const toNewParty = ({ id, kind, country, key, act }: NewParty) => ({
  id,
  kind: toPartyKind(kind),
  country: toCountry(country),
  key: toAddress(key),
  act,
})
const toScope = ({ schemes, categories, until }: Scope) => ({ schemes, categories, until })
const toRestriction = (change: Restriction) => [
  RESTRICTIONS.indexOf(change.do),
  toScope(change.do === 'restrict' ? change : NOTHING),
]

const toRecognition = ({ agreement, levels, since, until, isEea }: Omit<Recognition, 'from'>) => ({
  agreement,
  levels: toLevels(levels),
  since,
  until,
  isEea,
})

const toLevel = (level: Level | undefined) => (level === undefined ? 0 : toLevels([level]))
const toCertificate = (input: CertificateInput) => ({
  ...input,
  level: toLevel(input.level),
  series: orZero(input.series),
  itsef: orZero(input.itsef),
})

/** The contract that has the parties of a chain. */
export const partiesOf = (kind: ChainKind): ContractName => CONTRACTS_OF[kind][0] as ContractName

const ENCODERS: Encoders = {
  attest: (_, fact) => {
    switch (fact.kind) {
      case 'party': {
        const { kind, country, act, isActive } = fact.value
        const args = [fact.id, toPartyKind(kind), toCountry(country), act, isActive, fact.keys.map(toAddress)]
        return { contract: 'PartyRegistry', name: 'attestParty', args }
      }
      case 'scheme': {
        const { version, ...terms } = fact.value
        return { contract: 'SchemeRegistry', name: 'attestScheme', args: [fact.id, version, toTerms(terms)] }
      }
      case 'case': {
        const { provider, coordinator, disclosed = 0 } = fact.value
        return { contract: 'Mirror', name: 'attestCase', args: [fact.id, { provider, coordinator, disclosed }] }
      }
      case 'recognition': {
        const terms = toRecognition(fact.value)
        return { contract: 'Mirror', name: 'attestRecognition', args: [toCountry(fact.country), fact.scheme, terms] }
      }
      case 'version': {
        const { patches, ...version } = fact.value
        return { contract: 'Mirror', name: 'attestVersion', args: [fact.id, { ...version, patches: orZero(patches) }] }
      }
    }
  },
  addKey: ({ kind }, key) => ({ contract: partiesOf(kind), name: 'addKey', args: [toAddress(key)] }),
  revokeKey: ({ kind }, key) => ({ contract: partiesOf(kind), name: 'revokeKey', args: [toAddress(key)] }),
  replaceKey: ({ kind }, lost, key, act) => ({
    contract: partiesOf(kind),
    name: 'replaceKey',
    args: [toAddress(lost), toAddress(key), act],
  }),
  propose: (_, change) => ({ contract: 'ConsortiumRegistry', ...toProposal(change) }),
  vote: (_, number) => ({ contract: 'ConsortiumRegistry', name: 'vote', args: [BigInt(number)] }),
  adoptScheme: (_, id, scheme) => ({ contract: 'FrameworkRegistry', name: 'adoptScheme', args: [id, toTerms(scheme)] }),
  registerNationalScheme: (_, id, scheme, mapping) => ({
    contract: 'SchemeRegistry',
    name: 'registerNationalScheme',
    args: [
      id,
      toTerms(scheme),
      mapping.map(({ level, scheme: to, to: toLevel }) => ({
        level: toLevels([level]),
        scheme: to,
        to: toLevels([toLevel]),
      })),
    ],
  }),
  recogniseCountry: (_, country, scheme, terms) => ({
    contract: 'FrameworkRegistry',
    name: 'recogniseCountry',
    args: [toCountry(country), scheme, toRecognition(terms)],
  }),
  accredit: (_, body, scope) => ({ contract: 'AccreditationRegistry', name: 'accredit', args: [body, toScope(scope)] }),
  changeAccreditation: (_, body, change, reason) => ({
    contract: 'AccreditationRegistry',
    name: 'changeAccreditation',
    args: [body, ...toRestriction(change), reason],
  }),
  authorise: (_, body, scope) => ({
    contract: 'AccreditationRegistry',
    name: 'authorise',
    args: [body, toScope(scope), scope.van],
  }),
  changeAuthorisation: (_, body, change, reason) => ({
    contract: 'AccreditationRegistry',
    name: 'changeAuthorisation',
    args: [body, ...toRestriction(change), reason],
  }),
  notifyBody: (_, body, number, forHigh) => ({
    contract: 'AccreditationRegistry',
    name: 'notifyBody',
    args: [body, Number(number), forHigh],
  }),
  delegateHigh: (_, body, until) => ({ contract: 'AccreditationRegistry', name: 'delegateHigh', args: [body, until] }),
  revokeDelegation: (_, body) => ({ contract: 'AccreditationRegistry', name: 'revokeDelegation', args: [body] }),
  approve: (_, body, { commitment, until, mayBeLonger }) => ({
    contract: 'AccreditationRegistry',
    name: 'approve',
    args: [body, commitment, until, mayBeLonger],
  }),
  registerParty: (_, party) => ({ contract: 'PartyRegistry', name: 'registerParty', args: [toNewParty(party)] }),
  registerArtifact: (_, id, description) => ({
    contract: 'ArtifactRegistry',
    name: 'registerArtifact',
    args: [id, description],
  }),
  registerVersion: (_, artifact, id, { firmware, sbom, mud, patches, fixes = [] }) => ({
    contract: 'ArtifactRegistry',
    name: 'registerVersion',
    args: [artifact, id, firmware, sbom, mud, orZero(patches), fixes],
  }),
  setSupport: (_, artifact, { guidance, until, contact, repository }) => ({
    contract: 'ArtifactRegistry',
    name: 'setSupport',
    args: [artifact, { guidance, until, contact, repository }],
  }),
  label: (_, version, vulnerability, status, justification) => ({
    contract: 'ArtifactRegistry',
    name: 'label',
    args: [version, vulnerability, toEnum(LABELS, status), orZero(justification)],
  }),
  importLegacy: (_, id, legacy) => ({
    contract: 'CertificateRegistry',
    name: 'importLegacy',
    args: [id, { ...legacy, level: toLevel(legacy.level), until: legacy.until ?? 0 }],
  }),
  issue: (_, id, input) => ({ contract: 'CertificateRegistry', name: 'issue', args: [id, toCertificate(input)] }),
  certifyProfile: (_, id, input) => ({
    contract: 'CertificateRegistry',
    name: 'certifyProfile',
    args: [id, toCertificate(input)],
  }),
  declare: (_, id, { scheme, versions, document, report, since, until }) => ({
    contract: 'CertificateRegistry',
    name: 'declare',
    args: [id, { scheme, versions, document, report, since, until }],
  }),
  openReview: (_, id) => ({ contract: 'CertificateRegistry', name: 'openReview', args: [id] }),
  closeReview: (_, id, end) => {
    const contract = 'CertificateRegistry'
    if (end.do === 'confirm') return { contract, name: 'confirmReview', args: [id] }
    if (end.do === 'withdraw') return { contract, name: 'withdrawReview', args: [id, end.reason] }
    const args = [id, end.reason, end.id, toCertificate(end.certificate), end.sameScope]
    return { contract, name: 'replaceReview', args }
  },
  maintain: (_, id, newId, input) => ({
    contract: 'CertificateRegistry',
    name: 'maintain',
    args: [id, newId, toCertificate(input)],
  }),
  suspend: (_, id, until, reason, actions) => ({
    contract: 'CertificateRegistry',
    name: 'suspend',
    args: [id, until, reason, actions],
  }),
  lift: (_, id) => ({ contract: 'CertificateRegistry', name: 'lift', args: [id] }),
  extendSuspension: (_, id, until, reason) => ({
    contract: 'CertificateRegistry',
    name: 'extendSuspension',
    args: [id, until, reason],
  }),
  withdraw: (_, id, reason) => ({ contract: 'CertificateRegistry', name: 'withdraw', args: [id, reason] }),
  notifyComponent: (_, id, component, vulnerability) => ({
    contract: 'CertificateRegistry',
    name: 'notifyComponent',
    args: [id, component, vulnerability],
  }),
  clearNotification: (_, id, vulnerability) => ({
    contract: 'CertificateRegistry',
    name: 'clearNotification',
    args: [id, vulnerability],
  }),
  announce: (_, id, { commitment, artifact, coordinator, proposedEnd }) => {
    const isSealed = 'sealed' in artifact
    const reference = isSealed ? artifact.sealed : artifact.open
    const args = [id, commitment, reference, isSealed, coordinator, proposedEnd]
    return { contract: 'VulnerabilityRegistry', name: 'announce', args }
  },
  invite: (_, id, manufacturer) => ({ contract: 'VulnerabilityRegistry', name: 'invite', args: [id, manufacturer] }),
  proposeEmbargo: (_, id, end) => ({ contract: 'VulnerabilityRegistry', name: 'proposeEmbargo', args: [id, end] }),
  acceptEmbargo: (_, id) => ({ contract: 'VulnerabilityRegistry', name: 'acceptEmbargo', args: [id] }),
  rejectEmbargo: (_, id) => ({ contract: 'VulnerabilityRegistry', name: 'rejectEmbargo', args: [id] }),
  leaveEmbargo: (_, id, reason) => ({ contract: 'VulnerabilityRegistry', name: 'leaveEmbargo', args: [id, reason] }),
  advance: async (context, id, bit, evidence, of) => {
    const isVendors = BITS.indexOf(bit) < 3
    const manufacturer = isVendors ? (of ?? (await context.party())) : orZero(undefined)
    const args = [id, BITS.indexOf(bit), evidence, manufacturer]
    return { contract: 'VulnerabilityRegistry', name: 'advance', args }
  },
  disclose: (_, id, { salt, content, artifact }) => ({
    contract: 'VulnerabilityRegistry',
    name: 'disclose',
    args: [id, salt, content, orZero(artifact?.salt), orZero(artifact?.version)],
  }),
  close: (_, id, as, reason) => ({
    contract: 'VulnerabilityRegistry',
    name: 'close',
    args: [id, toEnum(ENDINGS, as), reason],
  }),
  reopen: (_, id, reason) => ({ contract: 'VulnerabilityRegistry', name: 'reopen', args: [id, reason] }),
}

function toProposal(change: Change): { name: string; args: readonly unknown[] } {
  switch (change.do) {
    case 'seat': {
      const authority: Authority = change.authority
      return { name: 'proposeSeat', args: [toNewParty({ ...authority, act: change.act })] }
    }
    case 'remove':
      return { name: 'proposeRemoval', args: [change.authority, change.act] }
    case 'replaceKey':
      return {
        name: 'proposeKey',
        args: [change.party, toAddress(change.lost), toAddress(change.key), change.act],
      }
    case 'admit':
      return { name: 'proposeAdmission', args: [toNewParty({ ...change, id: change.member })] }
    case 'dismiss':
      return { name: 'proposeDismissal', args: [change.member, change.act] }
    case 'validators':
    case 'writers': {
      const name = change.do === 'validators' ? 'proposeValidators' : 'proposeWriters'
      return { name, args: [change.chain, change.add.map(toIdentity), change.remove.map(toIdentity)] }
    }
    case 'upgrade':
      return { name: 'proposeUpgrade', args: [change.contract, change.code] }
  }
}

/**
 * The call that is a rule on a chain of this kind.
 *
 * @throws Refusal `WrongChain` where the chain has no contract for it, `Exists` for `found`: a chain is founded when its contracts are deployed
 */
export async function encodeRule<N extends RuleName>(
  context: EncodeContext,
  rule: N,
  args: RuleArguments<N>,
): Promise<{ contract: ContractName; data: Hex }> {
  if (rule === 'found') throw new Refusal('Exists', 0, { chain: 'self' })
  const encode = ENCODERS[rule] as ((context: EncodeContext, ...args: unknown[]) => Promise<ContractCall>) | undefined
  const call = await encode?.(context, ...args)
  if (call === undefined || !CONTRACTS_OF[context.kind].includes(call.contract))
    throw new Refusal('WrongChain', 0, { chain: context.kind, rule })
  const { contract, name, args: values } = call
  return { contract, data: encodeFunctionData({ abi: abiOf(contract), functionName: name, args: [...values] }) }
}
