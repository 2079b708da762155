import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createTaxiiClient } from '@entente/client'
import { verifyCoseReceipt } from '@entente/verify/cose'
import { verifyObject } from '@entente/verify/proof'
import { parseVkey } from '@entente/verify/tlog'
import { runScript } from './test/script.ts'
import { adminPassword, indicators, startSite } from './test/site.ts'

test('a COSE receipt is fetched, and verifies behind the proof of its object and no other', async t => {
  const site = await startSite(t)
  const auth = { kind: 'basic' as const, user: 'admin', password: adminPassword(site) }
  const collection = createTaxiiClient({ url: site.url, auth }).collection(site.url)
  const objects = indicators(2)
  const [one, two] = [objects[0]!, objects[1]!]
  const [status] = await collection.add(objects)
  await collection.waitFor(status!)
  const vkey = site.server.context.vkey
  writeFileSync(join(site.folder, 'log.vkey'), `${vkey}\n`)
  const { commitment, index } = verifyObject(await collection.proof(one.id), { vkeys: [vkey] })
  const receipt = await collection.coseReceipt(one.id)
  assert.equal(verifyCoseReceipt(receipt, commitment, [parseVkey(vkey)]).index, index)
  await assert.rejects(collection.coseReceipt('indicator--00000000-0000-4000-8000-999999999999'), { code: 'not-found' })

  const variables = {
    VKEY: vkey,
    URL: site.url,
    ONE: one.id,
    TWO: two.id,
    ORIGIN: site.server.notary.log.origin,
    PASSWORD: adminPassword(site),
  }
  await runScript(
    `
    $ entente get $URL --id $ONE --cose --out one.cose --key log.vkey --user admin --password $PASSWORD
    COSE receipt of $ONE in one.cose, checked against the key that you gave
    $ entente get $URL --id $ONE --cose --out unchecked.cose --user admin --password $PASSWORD
    …
    COSE receipt of $ONE in unchecked.cose, not checked: "entente verify PROOF unchecked.cose --key VKEY" does
    $ entente get $URL --id $ONE --proof --out one.json --key log.vkey --user admin --password $PASSWORD
    …
    $ entente get $URL --id $TWO --proof --out two.json --key log.vkey --user admin --password $PASSWORD
    …
    $ entente get $URL --cose --user admin --password $PASSWORD
    entente get: --cose needs one object: --id ID, or the URL of the object
    [exit 2]
    $ entente get $URL --id $ONE --cose --proof --user admin --password $PASSWORD
    entente get: --proof and --cose are of one object, --records of all: choose one
    [exit 2]
  `,
    { cwd: site.folder, variables },
  )
  await site.server.close()
  await runScript(
    `
    $ entente verify two.json one.json one.cose --key log.vkey --json
    {"ok":true,"results":[{"file":"two.json",…},{"file":"one.json",…},{"file":"one.cose","ok":true,"kind":"COSE receipt","level":"logged","origin":"$ORIGIN","index":…
    $ entente verify one.cose --key log.vkey
    one.cose: NOT PROVEN: a COSE receipt names no object: give the proof of its object before it (malformed)
    [exit 4]
    $ entente verify two.json one.cose --key log.vkey
    two.json: …
    …
    one.cose: NOT PROVEN: $ORIGIN did not sign that this entry is at … in the tree of size … (log)
    [exit 4]
  `,
    { cwd: site.folder, variables },
  )
})
