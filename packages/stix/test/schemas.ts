// Writes packages/stix/schemas/: node packages/stix/test/schemas.ts && npx biome format --write packages/stix/schemas
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ictExtensionDefinitions } from '../ict.ts'

/** Each file's name and content. */
export const schemaFiles = (): (readonly [name: string, schema: unknown])[] =>
  ictExtensionDefinitions.map(({ name, schema }) => [`${String(name)}.json`, JSON.parse(schema as string)])

if (import.meta.main) {
  for (const [name, schema] of schemaFiles()) {
    writeFileSync(join(import.meta.dirname, '..', 'schemas', name), `${JSON.stringify(schema, undefined, 2)}\n`)
  }
}
