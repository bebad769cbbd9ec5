# shellcheck shell=sh
# Unpacks the relay, which came in pieces, and runs it.
: "${folder?}" "${grace?}" "${control?}" "${token?}"

case $(uname -m) in
  aarch64 | arm64) architecture=arm64 ;;
  *) architecture=amd64 ;;
esac
umask 077
printf %s "$token" > "$folder/token"
cat /relay/relay-$architecture.* | gunzip > "$folder/relay.new"
chmod 700 "$folder/relay.new"
# At its place only when it is whole: commands may be run in this container already.
mv "$folder/relay.new" "$folder/relay"
exec "$folder/relay" keep "$grace" "$folder/meeting" "$control" "$folder/token"
