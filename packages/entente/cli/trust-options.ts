/** Options by which a reader says what it believes; readTrustOptions of trust.ts reads them. */
export const TRUST_OPTIONS = {
  key: { type: 'string', multiple: true },
  successions: { type: 'string' },
  witness: { type: 'string', multiple: true },
  quorum: { type: 'string' },
  'witness-policy': { type: 'string' },
  'ledger-pin': { type: 'string', multiple: true },
} as const

export const TRUST_HELP = {
  '--key VKEY|FILE': "the log's verifier key, which you believe; may be repeated",
  '--successions FILE':
    'what SERVER/log/keys says of keys that followed others: believed as far as they lead from --key (a server that is asked says so itself)',
  '--witness VKEY|FILE': 'verifier key of a witness; may be repeated',
  '--quorum N': 'refuse evidence that fewer witnesses have cosigned',
  '--witness-policy FILE':
    'instead of both: a C2SP tlog-policy; refuse evidence that its quorum has not cosigned (its logs are believed as by --key)',
  '--ledger-pin FILE':
    'JSON with chain_id, contract, log_id and validators of a ledger (or a list of such; of Bitcoin kind, chain_id, depth and min_work; of Fabric kind, chain_id, contract, log_id and organizations): proves anchors offline',
}
