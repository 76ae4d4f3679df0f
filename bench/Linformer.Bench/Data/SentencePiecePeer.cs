using System.Diagnostics;
using System.Globalization;

namespace Linformer.Bench.Data;

/// <summary>bench/sentencepiece-peer, a process that encodes when it is told to.</summary>
internal sealed class SentencePiecePeer : IDisposable
{
    private readonly Process _process;

    /// <summary>Builds and starts it.</summary>
    /// <param name="output">Told when building takes a while.</param>
    /// <exception cref="InvalidOperationException">It cannot be built; it needs libsentencepiece-dev.</exception>
    public SentencePiecePeer(TextWriter output)
    {
        var start = new ProcessStartInfo(BareProgram.Build("sentencepiece-peer", output))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        _process = Process.Start(start)!;
    }

    /// <summary>Trains a model.</summary>
    /// <param name="text">The text's file; its path has no spaces.</param>
    /// <param name="prefix">The model's path without <c>.model</c>.</param>
    /// <param name="vocabulary">Tokens.</param>
    public void Train(string text, string prefix, int vocabulary) => Tell($"train {text} {prefix} {vocabulary}");

    /// <summary>Loads a model, and the text that it will encode.</summary>
    /// <param name="model">The model's file.</param>
    /// <param name="text">The text's file.</param>
    public void Load(string model, string text) => Tell($"load {model} {text}");

    /// <summary>Encodes the text; gives the seconds and the tokens.</summary>
    public (double Seconds, long Tokens) Encode()
    {
        var words = Tell("encode").Split(' ');
        return (double.Parse(words[0], CultureInfo.InvariantCulture), long.Parse(words[1], CultureInfo.InvariantCulture));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The end of its input ends it.
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(5)))
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private string Tell(string command)
    {
        _process.StandardInput.WriteLine(command);
        return _process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("bench/sentencepiece-peer has ended; see its output above.");
    }
}
