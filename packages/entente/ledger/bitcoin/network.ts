/** What tells one network of Bitcoin from another. `genesis` is the hash of block 0, which `getblockhash 0` must give. */
export interface BitcoinNetwork {
  readonly name: string
  readonly genesis: string
  /** Human-readable part of addresses (BIP 173). */
  readonly bech32: string
  /** First byte of a private key in wallet import format. */
  readonly wif: number
  /** Versions of extended keys (BIP 32). */
  readonly bip32: { readonly private: number; readonly public: number }
  /** Coin type in paths of keys (SLIP 44). */
  readonly coinType: number
  /** Least work of a block: a thirtieth of what there is in 2026. What has less was made up by a node, or by those before it. */
  readonly minWork: bigint
  /** Whether blocks come about every ten minutes: then a tip of yesterday shows a node that is behind. */
  readonly isSteady: boolean
}

const mainKeys = { private: 0x0488ade4, public: 0x0488b21e }
const testKeys = { private: 0x04358394, public: 0x043587cf }
const test = { bech32: 'tb', wif: 0xef, bip32: testKeys, coinType: 1, minWork: 0n }

export const BITCOIN_NETWORKS = {
  mainnet: {
    name: 'mainnet',
    genesis: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
    bech32: 'bc',
    wif: 0x80,
    minWork: 2n ** 74n,
    bip32: mainKeys,
    coinType: 0,
    isSteady: true,
  },
  testnet3: {
    ...test,
    name: 'testnet3',
    genesis: '000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943',
    isSteady: true,
  },
  testnet4: {
    ...test,
    name: 'testnet4',
    genesis: '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043',
    isSteady: true,
  },
  signet: {
    ...test,
    name: 'signet',
    genesis: '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6',
    isSteady: true,
  },
  regtest: {
    ...test,
    name: 'regtest',
    genesis: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
    bech32: 'bcrt',
    isSteady: false,
  },
  simnet: {
    name: 'simnet',
    genesis: '683e86bd5c6d110d91b94b97137ba6bfe02dbbdb8e3dff722a669b5d69d77af6',
    bech32: 'sb',
    wif: 0x64,
    minWork: 0n,
    bip32: { private: 0x0420b900, public: 0x0420bd3a },
    coinType: 115,
    isSteady: false,
  },
} as const satisfies Record<string, BitcoinNetwork>

export type BitcoinNetworkName = keyof typeof BITCOIN_NETWORKS
