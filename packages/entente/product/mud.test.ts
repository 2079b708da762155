import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProductError } from './error.ts'
import { parseMud } from './mud.ts'

const acl = (name: string) => ({
  name,
  type: 'ipv4-acl-type',
  aces: {
    ace: [
      {
        name: 'ent0',
        matches: { ipv4: { 'ietf-acldns:dst-dnsname': 'updates.example.com', protocol: 6 } },
        actions: { forwarding: 'accept' },
      },
    ],
  },
})
const policy = (name: string) => ({ 'access-lists': { 'access-list': [{ name }] } })
const mud = {
  'mud-version': 1,
  'mud-url': 'https://gate.example.com/gate7.json',
  'last-update': '2026-10-01T12:00:00+02:00',
  'is-supported': true,
  systeminfo: 'A door controller',
  'mfg-name': 'Example Works',
  'model-name': 'Gate 7',
  'from-device-policy': policy('from'),
  'to-device-policy': policy('to'),
}
const file = (change: object = {}, acls: object[] = [acl('from'), acl('to')]) =>
  JSON.stringify({ 'ietf-mud:mud': { ...mud, ...change }, 'ietf-access-control-list:acls': { acl: acls } })

test('what a device says of itself', () => {
  const { manufacturer, model, url, cacheValidity, fromDevice, toDevice } = parseMud(file())
  assert.deepEqual(
    { manufacturer, model, url, cacheValidity, fromDevice, toDevice },
    {
      manufacturer: 'Example Works',
      model: 'Gate 7',
      url: 'https://gate.example.com/gate7.json',
      cacheValidity: 48,
      fromDevice: ['from'],
      toDevice: ['to'],
    },
  )
})

test('what RFC 8520 does not allow is refused', () => {
  const one = acl('from')
  for (const text of [
    '{}',
    'no JSON',
    file({ 'mud-version': 2 }),
    file({ 'mud-url': 'http://gate.example.com/' }),
    file({ 'mud-url': 'gate' }),
    file({ 'last-update': 'yesterday' }),
    file({ 'last-update': '2026-13-01T00:00:00Z' }),
    file({ 'is-supported': undefined }),
    file({ 'cache-validity': 0 }),
    file({ 'cache-validity': 169 }),
    file({ 'from-device-policy': policy('missing') }),
    file({}, [acl('from'), acl('from'), acl('to')]),
    file({}, [{ ...one, type: 'ipx-acl-type' }, acl('to')]),
    file({}, [{ ...one, aces: { ace: [...one.aces.ace, ...one.aces.ace] } }, acl('to')]),
    file({}, [{ ...one, aces: { ace: [{ name: 'a', actions: { forwarding: 'log' } }] } }, acl('to')]),
  ])
    assert.throws(
      () => parseMud(text),
      (error: unknown) => error instanceof ProductError && error.code === 'syntax',
      text,
    )
})
