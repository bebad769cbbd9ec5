FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY src ./src
RUN npm run build && npm prune --omit=dev
# The program and the libraries that it loads, and nothing else: no shell, no npm, no package manager.
RUN for file in /usr/local/bin/node $(ldd /usr/local/bin/node | grep -o '/[^ ]*'); do \
      mkdir -p "/rootfs$(dirname "$file")" && cp -L "$file" "/rootfs$file"; \
    done

FROM scratch
WORKDIR /app
COPY --from=build /rootfs /
COPY package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER 1000
EXPOSE 3000
ENTRYPOINT ["/usr/local/bin/node"]
CMD ["dist/server.js"]
