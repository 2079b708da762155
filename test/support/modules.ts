import { execFileSync } from 'node:child_process'

/** URLs of every module that loading a file loads, itself included. */
export function modulesOf(path: string): string[] {
  const code = `
    import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({ load: (url, context, next) => { urls.push(url); return next(url, context) } })
    await import(${JSON.stringify(path)})
    console.log(JSON.stringify(urls))`
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }))
}
