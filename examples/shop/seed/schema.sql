create table products (
  sku text primary key,
  name text not null,
  country text not null,
  cents integer not null check (cents > 0),
  stock integer not null check (stock >= 0)
);
create index on products (lower(name) text_pattern_ops);

create table orders (
  id bigint generated always as identity primary key,
  account text not null,
  sku text not null references products,
  quantity integer not null check (quantity > 0),
  cents integer not null,
  placed timestamptz not null default now()
);
create index on orders (account, id desc);
