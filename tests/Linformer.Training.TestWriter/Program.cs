using System.Diagnostics;
using System.Globalization;
using Linformer.Training.Checkpoints;

// Writes checkpoints to the folder of the first argument, steps from the second on, until it is killed.
// Prints a step's number once its checkpoint is on disk. With a third argument, kills itself before that many writes are done.
var store = new CheckpointStore(args[0]);
var step = long.Parse(args[1], CultureInfo.InvariantCulture);
var writesLeft = args.Length > 2 ? long.Parse(args[2], CultureInfo.InvariantCulture) : long.MaxValue;
var data = new byte[300_000];
while (true)
{
    new Random((int)step).NextBytes(data);
    await store.WriteAsync(
        new CheckpointId(0, 1, step),
        new CheckpointMetadata(step * 8, 1, "{}"),
        [.. Enumerable.Range(0, 4).Select(i => new CheckpointFile($"part-{i}.safetensors", stream =>
        {
            for (var start = 0; start < data.Length; start += 10_000)
            {
                if (--writesLeft < 0)
                {
                    Process.GetCurrentProcess().Kill();
                }

                stream.Write(data.AsSpan(start, 10_000));
            }
        }))]);
    Console.WriteLine(step++);
}
