import { type Trust, type VerifiedDisagreement, verifyDisagreement } from '@entente/verify/proof'
import { encodeBase64 } from '@entente/verify/tlog'

/**
 * What others saw go wrong (docs/formats.md 12), for "entente verify". Where the file can prove only a part, the words say which.
 *
 * @throws ProofError
 */
export function describeDisagreement(file: object, trust: Trust) {
  const proven = verifyDisagreement(file, trust)
  const { kind, isConclusive, found, server, remembered, shown, index } = proven
  const named = (c: typeof shown) => ({ size: c.size, root: encodeBase64(c.root) })
  return {
    kind: `evidence of ${kind}`,
    level: isConclusive ? 'proven' : 'signed',
    origin: shown.origin,
    found,
    server,
    ...(remembered ? { remembered_checkpoint: named(remembered) } : {}),
    shown_checkpoint: named(shown),
    ...(proven.anchor === undefined ? {} : { anchor: proven.anchor }),
    ...(index === undefined ? {} : { index }),
    conclusive: isConclusive,
    lines: [...inSentences(proven), `found ${found}, shown by ${server} (the finder's word)`],
  }
}

function inSentences({ kind, isConclusive, remembered, shown, anchor, index }: VerifiedDisagreement): string[] {
  const { origin, size } = shown
  const was = remembered?.size
  const roots = [remembered, shown].flatMap(c => (c ? [`  size ${c.size}, root ${encodeBase64(c.root)}`] : []))
  if (kind === 'fork')
    return [
      was === size
        ? `FORK: the key of ${origin} signed two roots for one size; both can't be of one append-only log:`
        : `FORK: the key of ${origin} signed two checkpoints of which the smaller is not the beginning of the larger:`,
      ...roots,
      'this convinces anybody who believes the key; nothing else needs to be believed',
    ]
  if (kind === 'receipt' && isConclusive)
    return [
      `BROKEN RECEIPT: the key of ${origin} signed that entry ${index} is a certain commitment, and a checkpoint (size ${size}) with another there`,
      'this convinces anybody who believes the key; nothing else needs to be believed',
    ]
  if (kind === 'receipt')
    return [
      `the key of ${origin} signed a receipt for entry ${index}, and a checkpoint of size ${size} that does not reach it`,
      'both signatures are real; that the checkpoint was shown as the newest after the receipt was given is the word of the finder',
    ]
  if (kind === 'ledger' && anchor) {
    const where = `contract ${anchor.contract} on chain ${anchor.chain_id}`
    const has = `the ledger (${where}, log ${anchor.log_id}) has size ${anchor.size}, root ${anchor.root}`
    return [
      anchor.size > size
        ? `AHEAD: the key of ${origin} signed size ${size} as the newest (the finder's word), and ${has}`
        : `FORK: the log that the key of ${origin} signed has another root at size ${anchor.size} than the ledger:`,
      ...(anchor.size > size ? [] : [...roots, `  ${has}`]),
      'the signature and the proof are real; what the ledger has, ask it',
    ]
  }
  const both = [`the key of ${origin} signed both:`, ...roots]
  if (kind === 'rollback')
    return [
      ...both,
      'a log has all sizes once: that the smaller one was shown as the newest after the larger is the word of the finder. It is proof',
      'together with a receipt or proof beyond the smaller size that the log no longer honours, or with another reader who saw the same',
    ]
  return [...both, 'that the server did not show the tiles of the second is the word of the finder: ask it again']
}
