import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scoreCvss } from './cvss.ts'
import { ProductError } from './error.ts'

test('scores of published vectors', () => {
  const published: [vector: string, version: string, score: number, rating: string][] = [
    // CVE-2014-0160 and CVE-2021-44228 in the NVD
    ['AV:N/AC:L/Au:N/C:P/I:N/A:N', '2.0', 5, 'medium'],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N', '3.1', 7.5, 'high'],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H', '3.1', 10, 'critical'],
    ['CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', '3.0', 9.8, 'critical'],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N', '3.1', 0, 'none'],
    // CVSS 4.0 examples of FIRST
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N', '4.0', 9.3, 'critical'],
    ['CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N', '4.0', 7.3, 'high'],
    // With a temporal metric
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P', '3.1', 9.3, 'critical'],
  ]
  for (const [vector, version, score, rating] of published)
    assert.deepEqual(scoreCvss(vector), { vector, version, score, rating }, vector)
})

test('what is no whole vector is refused', () => {
  for (const vector of [
    '',
    'nonsense',
    'CVSS:3.1/AV:N',
    'CVSS:5.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/ZZ:1',
    'CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:3.1/AV:Z/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H',
    'AV:N/AC:L/Au:N/C:P/I:N',
    `CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H${'/E:P'.repeat(200)}`,
  ])
    assert.throws(
      () => scoreCvss(vector),
      (error: unknown) => error instanceof ProductError && error.code === 'syntax',
      vector,
    )
})
