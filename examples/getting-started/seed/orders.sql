create table orders (id serial primary key, sku text not null, quantity integer not null check (quantity > 0));
insert into orders (sku, quantity) values ('A-1', 3);
