using System.CommandLine;

namespace Linformer.Cli.Commands;

/// <summary><c>completion SHELL</c>: a script that teaches a shell to complete the command line.</summary>
/// <remarks>
/// The scripts ask this program itself (the directive <c>[suggest]</c>), by its own path: the launcher would build first
/// when something has changed, while the user waits for a word.
/// </remarks>
internal static class CompletionCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a script that makes a shell complete commands, options and job names") { shell };
        command.WithExamples(
            "completion bash > ~/.local/share/bash-completion/completions/linformer",
            "completion zsh > ~/.linformer-completion.zsh   # then: source ~/.linformer-completion.zsh in ~/.zshrc",
            "completion fish > ~/.config/fish/completions/linformer.fish");
        command.SetAction(parsed =>
        {
            var context = CommandContext.Of(parsed);
            var script = Script(parsed.GetValue(shell)!, Program());
            context.WriteResult(new { script }, output => output.Write(script));
            return ExitCodes.Success;
        });
        return command;
    }

    // The runtime is found as it was found now.
    private static string Program()
    {
        var (command, arguments) = RankProcessCommand.Self();
        var start = string.Join(' ', arguments.SkipLast(1).Prepend(command).Select(Shell.Quote));
        return Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } runtime ? $"env DOTNET_ROOT={Shell.Quote(runtime)} {start}" : start;
    }

    // Each hands over the line up to the cursor without the command's name, and the cursor's place in it.
    private static string Script(string shell, string program) => shell switch
    {
        "bash" => $$"""
            # linformer: completion for bash
            _linformer() {
                local line=${COMP_LINE:0:COMP_POINT} word=${COMP_WORDS[COMP_CWORD]} IFS=$'\n' candidate
                line=${line#*"${COMP_WORDS[0]}"}
                line=${line# }
                COMPREPLY=()
                for candidate in $({{program}} "[suggest:${#line}]" "$line" 2>/dev/null); do
                    # Options are offered to a dash; without one, files may be meant.
                    [[ $candidate == "$word"* && ($word == -* || $candidate != -*) ]] && COMPREPLY+=("$candidate")
                done
            }
            complete -o default -F _linformer linformer ./linformer

            """,
        "zsh" => $$"""
            #compdef linformer
            # linformer: completion for zsh
            _linformer() {
                local line="${(j: :)words[2,CURRENT]}"
                local -a candidates
                candidates=(${(f)"$({{program}} "[suggest:${#line}]" "$line" 2>/dev/null)"})
                candidates=(${candidates//:/\\:})
                _describe 'linformer' candidates || _files
            }
            if (( $+functions[compdef] )); then compdef _linformer linformer ./linformer; fi

            """,
        _ => $$"""
            # linformer: completion for fish
            function __linformer_complete
                set -l words (commandline -opc)
                set -l line (string join ' ' -- $words[2..-1] (commandline -ct))
                {{program}} "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
            end
            complete -c linformer -a '(__linformer_complete)'

            """,
    };
}
