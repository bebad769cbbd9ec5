create table product (sku text primary key, name text not null, cents integer not null);
create table orders (id serial primary key, sku text not null references product, quantity integer not null, cents integer not null);
insert into product values ('A-1', 'Teapot', 2500), ('A-2', 'Cup', 700);
