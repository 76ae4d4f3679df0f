#!/bin/sh
# Publishes the program into a folder that runs wherever a .NET runtime is: for this processor only, without symbols and documentation.
# Usage: publish.sh TARGET-FOLDER [compat|nuget [cpu|cuda [OPTION-OF-DOTNET-PUBLISH…]]]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
target=$1 feed=${2:-compat} torch=${3:-cpu}
shift $(($# < 3 ? $# : 3))
rm -rf "$target"
dotnet publish "$root/src/Cli/Linformer.Cli.csproj" -c Release -o "$target" -nodeReuse:false -v quiet \
  -p:PackageFeed="$feed" -p:Torch="$torch" \
  -p:PublishDocumentationFiles=false -p:PublishReferencesDocumentationFiles=false -p:CopyOutputSymbolsToPublishDirectory=false "$@"
# Native parts for other systems.
if [ -d "$target/runtimes" ]; then
  case $(uname -m) in aarch64) keep=linux-arm64 ;; *) keep=linux-x64 ;; esac
  find "$target/runtimes" -mindepth 1 -maxdepth 1 ! -name "$keep" -exec rm -rf {} +
fi
rm -f "$target"/*.pdb "$target"/*.xml
ln -sf Linformer.Cli "$target/linformer"
