/** A CycloneDX SBOM of a router's version, with one component. */
export const sbomOf = (version: string): string =>
  JSON.stringify({
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    metadata: { component: { type: 'device', name: 'router', version } },
    components: [{ type: 'library', name: 'openssl', version: '3.0.1', purl: 'pkg:generic/openssl@3.0.1' }],
  })

/** A CVE record that says of a package that its versions from 3.0.0 to before 3.0.7 are affected. */
export const cveOf = (name: string): string =>
  JSON.stringify({
    dataType: 'CVE_RECORD',
    dataVersion: '5.1',
    cveMetadata: { cveId: 'CVE-2022-3602', state: 'PUBLISHED' },
    containers: {
      cna: {
        affected: [
          {
            vendor: name,
            product: name,
            packageURL: `pkg:generic/${name}`,
            defaultStatus: 'unaffected',
            versions: [{ version: '3.0.0', status: 'affected', lessThan: '3.0.7', versionType: 'semver' }],
          },
        ],
      },
    },
  })
