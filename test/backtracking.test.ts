// Every regular expression that ships is linear in what it reads, whoever wrote it (recheck decides it by automata; docs/decisions/0005).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { relative } from 'node:path'
import { test } from 'node:test'
import { type AnyNode, parse } from 'acorn'
import { root, sources } from '../tools/files.ts'

process.env['RECHECK_SYNC_BACKEND'] = 'pure' // neither a Java nor a binary of its own, whatever is installed
const { checkSync } = await import('recheck')

type Expression = { source: string; flags: string; at: string }

/** The literals of a file, and the strings `^…$`, which are patterns of JSON schemas. */
function expressionsOf(file: string): Expression[] {
  const found: Expression[] = []
  const visit = (node: AnyNode): void => {
    const at = () => `${relative(root, file)}:${node.loc?.start.line}`
    if (node.type === 'NewExpression' || node.type === 'CallExpression')
      assert.notEqual((node.callee as { name?: string }).name, 'RegExp', `${at()}: made of what nobody can see here`)
    if (node.type === 'Literal') {
      if (node.regex) found.push({ source: node.regex.pattern, flags: node.regex.flags, at: at() })
      else if (typeof node.value === 'string' && /^\^[^]+\$$/.test(node.value))
        found.push({ source: node.value, flags: 'u', at: at() })
      return
    }
    for (const part of Object.values(node).flat()) if (typeof part?.type === 'string') visit(part as AnyNode)
  }
  // Types become spaces, so that lines stay what they are.
  const script = stripTypeScriptTypes(readFileSync(file, 'utf8'))
  visit(parse(script, { ecmaVersion: 'latest', sourceType: 'module', locations: true }))
  return found
}

/** Repetitions of more than four become endless: what is linear then is linear with the bound, and is decided in no time. */
const unbound = (source: string): string =>
  source.replaceAll(/(?<!\\|\\u)\{(\d+)(,\d*)?\}/g, (text, least: string, most: string | undefined) =>
    Number(most?.slice(1) || least) > 4 ? `{${Math.min(2, Number(least))},}` : text,
  )

const verdict = ({ source, flags }: Pick<Expression, 'source' | 'flags'>): string =>
  checkSync(unbound(source), flags, { checker: 'automaton', timeout: 60_000 }).status

test('the check finds what backtracks: nested, adjacent and overlapping repetitions', () => {
  // The second is the type pattern of the OASIS schemas of STIX: 28 letters take it 1.7 seconds.
  for (const source of ['^(a+)+$', '^([a-z][a-z0-9]*)+(-[a-z0-9]+)*\\-?$', '^(a|a)*$', '^a{0,50}a{0,50}a*$', 'x*y'])
    assert.equal(verdict({ source, flags: '' }), 'vulnerable', source)
  assert.equal(verdict({ source: '^[a-z]{1,100}(/[a-z]{1,100}){0,5}$', flags: '' }), 'safe')
})

test('no regular expression of the packages backtracks', { timeout: 300_000 }, () => {
  const shipped = sources('packages').filter(f => !/\.test\.ts$|\/test\/|\/conformance\//.test(f))
  const distinct = new Map<string, Expression>()
  for (const one of shipped.flatMap(expressionsOf)) distinct.set(`/${one.source}/${one.flags}`, one)
  assert.ok(distinct.size > 50, `${distinct.size} expressions were found`)
  const faults = [...distinct].filter(([, one]) => verdict(one) !== 'safe').map(([text, { at }]) => `${at} ${text}`)
  assert.deepEqual(faults, [])
})
