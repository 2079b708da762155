import { endOfString } from './scan.ts'

const decoder = new TextDecoder()

/**
 * The first key that is twice in one object, and where its second appearance begins. Slow, for the message only: that there
 * is one is known from the count of colons. `bytes` is valid JSON.
 */
export function findDuplicateKey(bytes: Uint8Array): { key: string; offset: number } {
  const open: Set<string>[] = []
  let last = { text: '', offset: 0 }
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case 0x22: {
        const end = endOfString(bytes, i)
        last = { text: decoder.decode(bytes.subarray(i, end + 1)), offset: i }
        i = end
        break
      }
      case 0x3a: {
        const key: string = JSON.parse(last.text)
        const seen = open.at(-1)
        if (seen?.has(key)) return { key, offset: last.offset }
        seen?.add(key)
        break
      }
      case 0x7b:
      case 0x5b:
        open.push(new Set())
        break
      case 0x7d:
      case 0x5d:
        open.pop()
        break
    }
  }
  return { key: '', offset: 0 }
}
