using System.Diagnostics;
using System.Globalization;
using System.Text;
using Xunit.Abstractions;

namespace Linformer.Fuzzing;

/// <summary>
/// Feeds a parser damaged inputs. It may take an input, or throw what it documents; it must not throw anything else, take longer than
/// a patient user waits, or use memory out of proportion to the input. The environment variable LINFORMER_FUZZ_FACTOR multiplies the
/// number of cases.
/// </summary>
internal sealed class Fuzzer
{
    private const int MostFailures = 12;

    /// <summary>For messages and the temporary file of a failure.</summary>
    public required string Name { get; init; }

    /// <summary>Good inputs.</summary>
    public required IReadOnlyList<byte[]> Corpus { get; init; }

    /// <summary>Words of the format.</summary>
    public IReadOnlyList<string> Dictionary { get; init; } = [];

    /// <summary>Cases, before they are multiplied.</summary>
    public required int Cases { get; init; }

    /// <summary>Decides all cases.</summary>
    public int Seed { get; init; } = 5;

    /// <summary>No input is longer, in bytes.</summary>
    public int LongestInput { get; init; } = 64 << 10;

    /// <summary>What the parser may throw.</summary>
    public required Func<Exception, bool> MayThrow { get; init; }

    /// <summary>Bytes that a case may allocate, whatever its input.</summary>
    public long AllocationBase { get; init; } = 4 << 20;

    /// <summary>Bytes that a case may allocate in addition, for each byte of its input.</summary>
    public int AllocationPerByte { get; init; } = 200;

    /// <summary>The longest that a case may take; generous, since a busy machine is no fault of the parser.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Whether some damaged input must be taken, to show that the cases get past the first check.</summary>
    public bool SomeAreTaken { get; init; } = true;

    /// <summary>Whether it is no mistake of the test when all inputs are taken, or none.</summary>
    public bool MayAllBeTheSame { get; init; }

    /// <summary>Runs the cases on a thread of their own.</summary>
    /// <param name="parse">The parser, given the input.</param>
    /// <param name="output">Told what was run.</param>
    public void Run(Action<byte[]> parse, ITestOutputHelper output)
    {
        var mutator = new Mutator(Corpus, Dictionary, LongestInput);
        Run(random => mutator.Next(random), input => parse(input), input => input, output);
    }

    /// <summary>Runs cases that are made otherwise.</summary>
    /// <param name="make">Makes a case.</param>
    /// <param name="parse">The parser.</param>
    /// <param name="bytes">A case as bytes, for its size and for messages.</param>
    /// <param name="output">Told what was run.</param>
    public void Run<T>(Func<Random, T> make, Action<T> parse, Func<T, byte[]> bytes, ITestOutputHelper output)
    {
        var cases = checked(Cases * Factor());
        var state = new State();
        var failures = new Dictionary<string, string>(StringComparer.Ordinal);
        var thread = new Thread(() => RunAll(cases, make, parse, bytes, state, failures)) { IsBackground = true, Name = "fuzz" };
        thread.Start();
        while (!thread.Join(TimeSpan.FromMilliseconds(200)))
        {
            if (Stopwatch.GetElapsedTime(Volatile.Read(ref state.Began)) > Patience)
            {
                throw new FuzzException($"{Name}, seed {Seed}, case {state.Case} takes longer than {Patience}. {Shown(state.Input, state.Case)}");
            }
        }

        output.WriteLine($"{Name}: seed {Seed}, {cases} cases, {state.Taken} taken, {cases - state.Taken} refused, most allocated {state.MostAllocated} bytes, slowest {state.Slowest.TotalMilliseconds:0} ms.");
        if (failures.Count > 0)
        {
            throw new FuzzException($"{Name}, seed {Seed}:\n{string.Join("\n\n", failures.Values)}");
        }

        if (!MayAllBeTheSame && (state.Taken == cases || (SomeAreTaken && state.Taken == 0)))
        {
            throw new FuzzException($"{Name}, seed {Seed}: {state.Taken} of {cases} inputs were taken, so the cases show nothing.");
        }
    }

    private static int Factor() =>
        int.TryParse(Environment.GetEnvironmentVariable("LINFORMER_FUZZ_FACTOR"), CultureInfo.InvariantCulture, out var factor) && factor > 0 ? factor : 1;

    private void RunAll<T>(int cases, Func<Random, T> make, Action<T> parse, Func<T, byte[]> bytes, State state, Dictionary<string, string> failures)
    {
        for (var i = 0; i < cases && failures.Count < MostFailures; i++)
        {
            // A case does not depend on those before it.
            var made = make(new Random(SeedOf(i)));
            (state.Case, state.Input) = (i, bytes(made));
            Volatile.Write(ref state.Began, Stopwatch.GetTimestamp());
            var before = GC.GetAllocatedBytesForCurrentThread();
            Exception? thrown = null;
            try
            {
                parse(made);
                state.Taken++;
            }
            catch (Exception e)
            {
                thrown = e;
            }

            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            var elapsed = Stopwatch.GetElapsedTime(state.Began);
            state.MostAllocated = Math.Max(state.MostAllocated, allocated);
            state.Slowest = elapsed > state.Slowest ? elapsed : state.Slowest;
            if (thrown is not null && !MayThrow(thrown))
            {
                var frame = thrown.StackTrace?.Split('\n').FirstOrDefault(line => line.Contains("Linformer", StringComparison.Ordinal)) ?? "";
                failures.TryAdd($"{thrown.GetType()} {frame}", $"Case {i} throws {thrown}\n{Shown(state.Input, i)}");
            }
            else if (allocated > AllocationBase + ((long)AllocationPerByte * state.Input.Length))
            {
                failures.TryAdd("memory", $"Case {i} allocates {allocated} bytes for an input of {state.Input.Length}; {thrown}\n{Shown(state.Input, i)}");
            }
        }
    }

    // Mixed, since the first numbers of neighbouring seeds are alike.
    private int SeedOf(int number)
    {
        var mixed = unchecked((((ulong)(uint)Seed << 32) | (uint)number) * 0x9E3779B97F4A7C15);
        mixed = unchecked((mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9);
        return (int)(mixed >> 33);
    }

    private string Shown(byte[] input, int number)
    {
        var path = Path.Combine(Path.GetTempPath(), $"linformer-fuzz-{Name.Replace(' ', '-')}-{Seed}-{number}");
        File.WriteAllBytes(path, input);
        return $"Its input of {input.Length} bytes is in {path} and begins: {Encoding.Latin1.GetString(input, 0, Math.Min(input.Length, 400))}";
    }

    private sealed class State
    {
        public long Began = Stopwatch.GetTimestamp();

        public int Case { get; set; }

        public byte[] Input { get; set; } = [];

        public int Taken { get; set; }

        public long MostAllocated { get; set; }

        public TimeSpan Slowest { get; set; }
    }
}

/// <summary>A parser does not hold what is asked of it.</summary>
internal sealed class FuzzException(string message) : Exception(message);
