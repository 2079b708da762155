import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { stringify } from 'yaml'
import { loadConfig } from './config.ts'
import { CliError } from './errors.ts'
import { toApiRoots } from './identity.ts'

const MEMBERS = 'marking-definition--aaaaaaaa-1111-4111-8111-111111111111'
const RED = 'marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1'
const VKEY = 'log.example+a7c2dfbd+AfvFBQZWfHcYRKzyFiyyyyB4q1Qm1Yk1cJu0j4Tj8eP9'

describe('configuration of markings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-config-'))
  after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'entente.yaml')
  const load = (markings: unknown, collection: object = {}) => {
    const apiRoots = [{ path: '/api/', title: 'R', collections: [{ alias: 'a', title: 'A', ...collection }] }]
    writeFileSync(file, stringify({ apiRoots, ...(markings === undefined ? {} : { markings }) }))
    return loadConfig({ file, data: folder, env: {} }).config
  }
  const refuses = (what: string, message: RegExp, markings: unknown, collection?: object) =>
    test(what, () => {
      const isUsage = (error: unknown) =>
        error instanceof CliError && error.code === 'usage' && message.test(error.message)
      assert.throws(() => load(markings, collection), isUsage)
    })

  test('without the section nothing is hidden; an empty one has its defaults', () => {
    assert.equal(load(undefined).markings, undefined)
    const empty = { unmarked: 'TLP:CLEAR', others: 'allow', everyone: [], rights: {}, names: {} }
    assert.deepEqual(load({}).markings, empty)
  })

  test('all of it, and what a collection says for itself', () => {
    const markings = {
      unmarked: 'TLP:GREEN',
      others: 'deny',
      everyone: ['TLP:GREEN'],
      rights: { partner: ['TLP:AMBER+STRICT', MEMBERS], everyone: ['TLP:WHITE'], auditor: ['all'] },
      names: { [MEMBERS]: 'Members only' },
    }
    const config = load(markings, { id: '3e4d4a5c-8f0f-4a3b-9d8e-2b6c1f0a7d11', unmarked: 'TLP:RED' })
    assert.deepEqual(config.markings, markings)
    assert.equal(toApiRoots(config, VKEY)[0]?.collections[0]?.unmarked, 'TLP:RED')
  })

  refuses('a level that there is not', /\/markings\/rights\/x\/0/, { rights: { x: ['TLP:PURPLE'] } })
  refuses('a default that is no level', /\/markings\/unmarked/, { unmarked: 'TLP:WHITE' })
  refuses('an unknown key', /unknown key role/, { role: {} })
  refuses('TLP by its id', /is a level of TLP: write its name/, { rights: { x: [RED] } })
  refuses('a name of what nobody is cleared for', /nobody is cleared for/, { names: { [MEMBERS]: 'Members' } })
  refuses('a default of a collection without the section', /means nothing without markings/, undefined, {
    unmarked: 'TLP:RED',
  })
})
