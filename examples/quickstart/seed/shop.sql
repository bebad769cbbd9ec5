CREATE TABLE stock (
  sku text PRIMARY KEY,
  name text NOT NULL,
  quantity integer NOT NULL CHECK (quantity >= 0)
);

INSERT INTO stock (sku, name, quantity) VALUES
  ('A-1', 'Espresso cup', 10),
  ('A-2', 'Milk jug', 3),
  ('B-1', 'Coffee grinder', 1),
  ('B-2', 'Water kettle', 0);
