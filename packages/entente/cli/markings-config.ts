import Type, { type Static } from 'typebox'
import { isTlpId, TLP_LEVELS } from '#taxii/markings.ts'
import { CliError } from './errors.ts'

const MARKING = 'marking-definition--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'

export const UnmarkedSchema = Type.Union(
  TLP_LEVELS.map(level => Type.Literal(level)),
  { description: 'What an object counts as that has no marking of TLP' },
)
const Cleared = Type.Array(
  Type.String({ pattern: `^(TLP:(WHITE|CLEAR|GREEN|AMBER|AMBER\\+STRICT|RED)|${MARKING}|all)$` }),
  { description: 'A level of TLP, which includes those below; ids of marking definitions; all' },
)

/** `markings`: who may see what by its markings. Without it, whoever may read a collection sees all of it. */
export const MarkingsSchema = Type.Object(
  {
    unmarked: Type.Unsafe<(typeof TLP_LEVELS)[number]>({ ...UnmarkedSchema, default: 'TLP:CLEAR' }),
    others: Type.Union([Type.Literal('allow'), Type.Literal('deny')], {
      default: 'allow',
      description: 'Markings that are neither of TLP nor named here, such as statements',
    }),
    everyone: Type.Array(Cleared.items, { default: [], description: 'What everybody is cleared for' }),
    rights: Type.Record(Type.String({ minLength: 1 }), Cleared, {
      default: {},
      description: 'What a role is cleared for',
    }),
    names: Type.Record(Type.String({ pattern: `^${MARKING}$` }), Type.String({ minLength: 1, maxLength: 1000 }), {
      default: {},
      description: 'What marking definitions are called',
    }),
  },
  { additionalProperties: false },
)
export type MarkingsSection = Static<typeof MarkingsSchema>

/** @throws CliError `usage` */
export function checkMarkings({
  markings,
  apiRoots,
}: {
  markings?: MarkingsSection | undefined
  apiRoots: { collections: { title: string; unmarked?: string | undefined }[] }[]
}): void {
  if (!markings) {
    const one = apiRoots.flatMap(root => root.collections).find(c => c.unmarked !== undefined)
    if (one)
      throw new CliError(
        'usage',
        `unmarked of the collection "${one.title}" means nothing without markings: add "markings: {}", or leave it out`,
      )
    return
  }
  const { everyone, rights, names } = markings
  const cleared = [...everyone, ...Object.values(rights).flat()]
  const tlp = cleared.find(isTlpId)
  if (tlp !== undefined)
    throw new CliError('usage', `markings names ${tlp}, which is a level of TLP: write its name, such as TLP:AMBER`)
  const unused = Object.keys(names).find(id => !cleared.includes(id))
  if (unused !== undefined)
    throw new CliError(
      'usage',
      `markings.names has "${names[unused]}" for ${unused}, which nobody is cleared for: name it under markings.rights too`,
    )
}
