// Writes what the server needs of a compiled contract: `node contracts/tools/artifact.mts`. A test fails while it is out of date.
// (.mts: this folder is CommonJS for the sake of `solc` beside it.)
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { keccak256 } from 'viem'

const contracts = join(import.meta.dirname, '..')
const bin = join(contracts, '..', 'node_modules', '.bin')

/** Contract name, and the file that holds its artifact, from the project's root. */
export const artifacts: readonly (readonly [string, string])[] = [
  ['CheckpointAnchor', 'packages/entente/ledger/evm/CheckpointAnchor.json'],
  ['RecordStore', 'packages/entente/ledger/evm/RecordStore.json'],
  ...[
    'ConsortiumRegistry',
    'FrameworkRegistry',
    'PartyRegistry',
    'Mirror',
    'SchemeRegistry',
    'AccreditationRegistry',
    'CertificateRegistry',
    'ArtifactRegistry',
    'VulnerabilityRegistry',
  ].map((name): [string, string] => [name, `packages/entente/ledger/evm/artifacts/${name}.json`]),
]

export interface Artifact {
  contract: string
  compiler: string
  evmVersion: string
  /** keccak256 of the code that lies at the contract's address, with zeros where its immutables are. */
  codeHash: `0x${string}`
  /** Where these are: first byte and length, in their order. */
  immutables?: [number, number][]
  bytecode: `0x${string}`
  abi: unknown[]
}

/** Runs forge in contracts/ with our solc; throws with its output where it fails. */
export function forge(...args: string[]): string {
  const run = spawnSync(join(bin, 'forge'), args, {
    cwd: contracts,
    encoding: 'utf8',
    env: { ...process.env, FOUNDRY_DISABLE_NIGHTLY_WARNING: '1', NO_COLOR: '1' },
  })
  if (run.error !== undefined) throw new Error(`forge ${args[0]} could not start`, { cause: run.error })
  if (run.status !== 0) throw new Error(`forge ${args.join(' ')} exited with ${run.status}\n${run.stdout}${run.stderr}`)
  return run.stdout
}

/** Artifact of a contract from forge's output folder: run `forge build` before. */
export function artifactOf(contract: string): Artifact {
  const out = JSON.parse(readFileSync(join(contracts, 'out', `${contract}.sol`, `${contract}.json`), 'utf8'))
  const { compiler, settings } = out.metadata
  const references: Record<string, { start: number; length: number }[]> = out.deployedBytecode.immutableReferences ?? {}
  const immutables = Object.values(references)
    .flat()
    .map(({ start, length }): [number, number] => [start, length])
    .sort(([a], [b]) => a - b)
  return {
    contract,
    compiler: compiler.version,
    evmVersion: settings.evmVersion,
    codeHash: keccak256(out.deployedBytecode.object),
    ...(immutables.length === 0 ? {} : { immutables }),
    bytecode: out.bytecode.object,
    abi: out.abi,
  }
}

/** A line for each entry of the ABI: what a change of a contract changes can be read. */
function format({ abi, ...rest }: Artifact): string {
  const lines = Object.entries(rest).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)},`)
  const entries = abi.map(entry => `    ${JSON.stringify(entry)}`).join(',\n')
  return `{\n${lines.join('\n')}\n  "abi": [\n${entries}\n  ]\n}\n`
}

if (import.meta.main) {
  forge('build')
  for (const [contract, file] of artifacts) {
    const path = join(contracts, '..', file)
    const artifact = artifactOf(contract)
    const isFederations = dirname(file).endsWith('artifacts')
    writeFileSync(path, isFederations ? format(artifact) : JSON.stringify(artifact, null, 2))
    if (!isFederations) spawnSync(join(bin, 'biome'), ['format', '--write', path], { stdio: 'inherit' })
  }
}
