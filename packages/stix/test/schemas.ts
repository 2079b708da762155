// Writes packages/stix/schemas/: node packages/stix/test/schemas.ts
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ictExtensionDefinitions } from '../ict.ts'

/** Each file's name and text. */
export const schemaFiles = (): (readonly [name: string, text: string])[] =>
  ictExtensionDefinitions.map(({ name, schema }) => [
    `${String(name)}.json`,
    `${JSON.stringify(JSON.parse(schema as string), undefined, 2)}\n`,
  ])

if (import.meta.main) {
  for (const [name, text] of schemaFiles()) writeFileSync(join(import.meta.dirname, '..', 'schemas', name), text)
}
