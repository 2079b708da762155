import type { FastifyInstance } from 'fastify'
import { TaxiiError } from '#taxii/errors.ts'
import { OPERATIONS } from '#taxii/operations.ts'
import type { Witness } from '#witness/witness.ts'

/** A checkpoint with a hundred signatures, and 63 hashes; those of ML-DSA-44 have 3 KB. */
export const MAX_ADD_CHECKPOINT = 131_072

/** Answers of a witness by status, since the start: for metrics. */
export type WitnessAnswers = Map<number, number>

/**
 * C2SP tlog-witness under `/witness/`, both its prefixes: without credentials, since a checkpoint speaks for itself. What goes wrong before the
 * request is read (too large, too slow, too many) is answered as everywhere.
 */
export function witnessRoutes(app: FastifyInstance, witness: Witness): WitnessAnswers {
  const answers: WitnessAnswers = new Map()
  const text = 'text/plain; charset=utf-8'

  app.post(
    '/witness/add-checkpoint',
    { bodyLimit: MAX_ADD_CHECKPOINT, config: { anyone: true, operation: OPERATIONS.addCheckpoint } },
    async (request, reply) => {
      const { status, type, body } = witness.add(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
      answers.set(status, (answers.get(status) ?? 0) + 1)
      // As bytes: the type of a size is to be just what the specification says, without a charset.
      return reply.code(status).type(type).send(Buffer.from(body))
    },
  )

  app.get<{ Params: { origin: string } }>(
    '/witness/:origin/checkpoint',
    { config: { anyone: true, operation: OPERATIONS.witnessedCheckpoint } },
    async (request, reply) => {
      const note = witness.checkpoint(request.params.origin)
      if (note === undefined) throw new TaxiiError(404, 'not-found', 'this witness has cosigned nothing of such a log')
      return reply.type(text).header('cache-control', 'no-cache').send(note)
    },
  )

  app.get('/witness/key', { config: { anyone: true, operation: OPERATIONS.witnessKey } }, async (_request, reply) =>
    reply.type(text).send(`${witness.vkey}\n`),
  )
  return answers
}
