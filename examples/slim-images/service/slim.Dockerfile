FROM node:24-slim
WORKDIR /app
COPY package.json package-lock.json ./
COPY src ./src
RUN npm ci && npm run build \
    && npm prune --omit=dev && npm cache clean --force && rm -rf /tmp/*
USER node
EXPOSE 3000
CMD ["node", "dist/server.js"]
