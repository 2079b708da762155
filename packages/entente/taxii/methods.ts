import type { FastifyInstance } from 'fastify'

/**
 * Remembers the routes as they are added, so that a method that a resource doesn't have is told from a path that isn't there
 * (RFC 9110 section 15.5.6).
 *
 * @returns the methods of the resource at a path; none where nothing is there
 */
export function trackMethods(app: FastifyInstance): (url: string) => string[] {
  const routes: { segments: string[]; methods: string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    routes.push({ segments: toSegments(url), methods: [method].flat() })
  })
  return url => {
    const path = toSegments(url.split('?')[0] as string)
    const found = routes.filter(route => matches(route.segments, path)).flatMap(route => route.methods)
    return [...new Set(found)].sort()
  }
}

const toSegments = (path: string): string[] => path.replace(/\/$/, '').split('/')

function matches(route: string[], path: string[]): boolean {
  const isOpen = route.at(-1) === '*'
  if (isOpen ? path.length < route.length : path.length !== route.length) return false
  return route.every(
    (segment, i) => segment === '*' || segment === path[i] || (segment.startsWith(':') && path[i] !== ''),
  )
}
