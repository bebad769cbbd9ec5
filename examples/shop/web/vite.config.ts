import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// `vitest-kubernetes dev` sets GATEWAY_URL.
export default defineConfig({
  plugins: [vue()],
  // Known from the start: a dependency that is found later reloads the page.
  optimizeDeps: { include: ['graphql-sse', 'vue'] },
  server: { proxy: { '/graphql': process.env['GATEWAY_URL'] ?? 'http://127.0.0.1:4000' } },
})
