using Linformer.Training.ProcessGroups;
using Linformer.Training.ProcessGroups.Nccl;
using Linformer.Training.TestRank;
using TorchSharp;

// exchange …: see ExchangeRank. available: whether NCCL can be used, and why not.
switch (args[0])
{
    case "exchange":
        return ExchangeRank.Run(args[1..]);
    case "available":
        try
        {
            Console.Out.WriteLine($"NCCL {NcclProcessGroup.CheckAvailable()}");
            return 0;
        }
        catch (NcclUnavailableException e)
        {
            Console.Out.WriteLine(e.Message);
            return 3;
        }
}

// Arguments: rank, world size, folder of the rendezvous, elements, milliseconds of the timeout.
// All-reduces ones for ever and says so after each; says what it threw and exits with 3.
// A line on standard input aborts the group.
var (rank, worldSize) = (int.Parse(args[0]), int.Parse(args[1]));
using var group = Groups.Make(rank, worldSize, args[2], TimeSpan.FromMilliseconds(int.Parse(args[4])));
new Thread(() =>
{
    if (Console.In.ReadLine() is { } reason)
    {
        group.Abort(new InvalidOperationException(reason));
    }
})
{ IsBackground = true }.Start();

try
{
    while (true)
    {
        using var buffer = torch.ones(long.Parse(args[3]));
        group.AllReduce(buffer).Wait();
        Console.Out.WriteLine($"sum {buffer.data<float>()[0]}");
    }
}
catch (ProcessGroupException exception)
{
    Console.Out.WriteLine($"{exception.GetType().Name} peer {exception.Peer}: {exception.Message}");
    return 3;
}
