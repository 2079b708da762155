import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { commands } from '../commands.ts'
import { entente, runScript } from './test/script.ts'

const cwd = tmpdir()

test('bash completes commands, their first words and their options', async t => {
  if (spawnSync('bash', ['--version']).status !== 0) return t.skip('there is no bash here')
  const { out: script } = await entente(['completion', 'bash'], { cwd })
  const complete = (...words: string[]) => {
    const list = words.map(w => `'${w}'`).join(' ')
    const run = `${script}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _entente; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout, stderr } = spawnSync('bash', ['-c', run], { encoding: 'utf8', cwd: '/' })
    assert.equal(stderr, '')
    return stdout.split('\n').filter(line => line !== '')
  }
  assert.deepEqual(complete('entente', 'pu'), ['publish'])
  assert.deepEqual(complete('entente', 'user', 're'), ['remove'])
  assert.deepEqual(complete('entente', 'publish', '--w'), ['--wait'])
  assert.deepEqual(complete('entente', 'help', 'com'), ['completion'])
  assert.ok(complete('entente', 'audit', '--data', '/t').includes('/tmp'))
  for (const { name } of commands) assert.deepEqual(complete('entente', name, '--js'), ['--json'], name)
})

test('zsh and fish know every command and option', async () => {
  for (const shell of ['zsh', 'fish']) {
    const { out, code } = await entente(['completion', shell], { cwd })
    assert.equal(code, 0)
    for (const { name, options } of commands) {
      assert.ok(out.includes(name), `${shell}: ${name}`)
      for (const option of Object.keys(options))
        assert.ok(out.includes(shell === 'zsh' ? `--${option}` : `-l ${option}`), `${shell}: ${name} --${option}`)
    }
  }
})

test('the help has a line for each option, and an example where there is something to show', async () => {
  for (const { name, options, help, usage } of commands) {
    assert.ok(usage.startsWith(name), name)
    const named = Object.keys(help).map(key => key.split(/[ ,]/)[0])
    for (const option of Object.keys(options)) assert.ok(named.includes(`--${option}`), `${name} --${option}`)
    for (const key of named.filter(k => k?.startsWith('--')))
      assert.ok(Object.hasOwn(options, key!.slice(2)), `${name} has no option ${key}`)
  }
  await runScript(
    `
    $ entente completion tcsh
    entente completion: "tcsh": bash, zsh and fish are known
    [exit 2]
    $ entente help publish
    Add STIX objects to a collection, and say what became of each
    Usage: entente publish FILE… --to COLLECTION_URL [--wait]
    Options:
    …
      --wait …
    …
    Examples:
    …
    $ entente nonsense
    entente: there is no command "nonsense". "entente --help" lists them.
    [exit 2]
  `,
    { cwd },
  )
})
